package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

const drain = `{"drain":true}`

// watch looks at the cluster, as an operator's command does, until so holds.
func (s *sim) watch(what string, so func(*cluster.Snapshot) bool) {
	s.t.Helper()
	client := s.memory.Client("operator")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := cluster.Watch(ctx, client, client.Clock, func(c *cluster.Snapshot) bool { return !so(c) }); err != nil {
		s.require(false, "not within a minute: %s: %v", what, err)
	}
}

// drained tells whether a node holds nothing any more, and never will until it is uncordoned.
func drained(node string) func(*cluster.Snapshot) bool {
	return func(c *cluster.Snapshot) bool { return c.Drained(node) && len(c.Held(node)) == 0 }
}

// A drained node hands off each of its resources once, nobody moves anything else, it lives on, and has its part again once uncordoned.
// Seen to fail with a drained node that is said to stay, and with one that is given new resources.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1)
		s.putAll(30)
		names := []string{"a", "b", "c"}
		for _, name := range names {
			s.start(name)
		}
		s.settle(30 * time.Second)
		time.Sleep(10 * time.Second)
		s.balanced(names)
		runs, on := s.ledger.runs, s.counts()["b"]
		s.memory.Put(cluster.CordonPath("b"), drain)
		s.watch("b is drained", drained("b"))
		s.settle(10 * time.Second)
		time.Sleep(time.Second) // for the last answers
		s.require(s.counts()["b"] == 0, "b still runs %d", s.counts()["b"])
		s.require(s.ledger.runs-runs == on, "%d runs began anew, want the %d of b", s.ledger.runs-runs, on)
		s.require(len(s.events("b", cluster.HandedOff)) == on, "b handed off %d, want %d", len(s.events("b", cluster.HandedOff)), on)
		s.put(resource(100), "{}")
		time.Sleep(20 * time.Second)
		s.require(s.counts()["b"] == 0 && len(s.missing()) == 0, "b runs %d after its drain; missing %v", s.counts()["b"], s.missing())
		s.require(len(s.events("b", cluster.TermEnded)) == 0, "b has ended its term")

		s.memory.Delete(cluster.CordonPath("b"))
		time.Sleep(40 * time.Second) // those that have just moved rest for a while
		s.require(len(s.missing()) == 0, "%v", s.missing())
		s.balanced(names)
		s.end()
	})
}

// What nobody else can take runs on where it is, without a stop, until somebody can.
func TestDrainOfTheLastNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 2)
		s.putAll(10)
		s.start("a")
		s.settle(30 * time.Second)
		s.memory.Put(cluster.CordonPath("a"), drain)
		s.watch("a knows of it", func(c *cluster.Snapshot) bool { return c.Drained("a") })
		time.Sleep(20 * time.Second)
		s.require(s.ledger.runs == 10, "%d runs, want the 10 there were", s.ledger.runs)
		s.watch("all are told to be bound", func(c *cluster.Snapshot) bool { return len(c.Bound("a")) == 10 })
		s.start("b")
		s.watch("a is drained", drained("a"))
		s.settle(10 * time.Second)
		s.require(s.counts()["b"] == 10 && s.ledger.runs == 20, "b runs %d; %d runs in all", s.counts()["b"], s.ledger.runs)
		s.end()
	})
}

// A node that is uncordoned in the midst of its drain keeps what it has not begun to hand off. Seen to fail with the moves of
// the drain left to be made.
func TestDrainUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 3)
		s.putAll(2000)
		a := s.start("a", func(cfg *cluster.Config) { cfg.Self.Weight = cluster.MaxWeight })
		s.start("b")
		s.settle(30 * time.Second)
		time.Sleep(10 * time.Second)
		a.network(clustertest.Network{Request: clustertest.Span{Min: 300 * time.Millisecond, Max: 400 * time.Millisecond}})
		on, moved := s.counts()["a"], len(s.events("a", cluster.HandedOff))
		s.memory.Put(cluster.CordonPath("a"), drain)
		s.watch("a hands off", func(c *cluster.Snapshot) bool { return len(c.Held("a")) < on })
		s.memory.Delete(cluster.CordonPath("a"))
		time.Sleep(5 * time.Second)
		moved = len(s.events("a", cluster.HandedOff)) - moved
		s.require(moved < 600 && s.counts()["a"] >= on-moved, "a handed off %d of %d and runs %d", moved, on, s.counts()["a"])
		s.end()
	})
}

// Once a node has acknowledged a drain and holds nothing, nothing comes to it any more: neither by a bid of its own nor by a hand-off that was
// on its way when the drain began. Seen to fail with a drain acknowledged while bids are under way, and with one taken for
// acknowledged that is not.
func TestNothingComesAfterADrain(t *testing.T) {
	for name, before := range map[string]func(*sim){
		"a bid": func(s *sim) {
			slow(s.nodes["b"], time.Second)
			for i := range 20 {
				s.put(resource(i), "{}")
			}
			time.Sleep(10 * time.Millisecond)
			s.require(len(s.events("b", cluster.BidsSent)) > 0, "b has not bid")
			slow(s.nodes["b"], 0)
			slow(s.nodes["a"], 3*time.Second)
		},
		"a hand-off": func(s *sim) {
			s.memory.Put(cluster.CordonPath("b"), "{}")
			for i := range 20 {
				s.put(resource(i), "{}")
			}
			time.Sleep(5 * time.Second)
			s.memory.Delete(cluster.CordonPath("b"))
			time.Sleep(2*time.Second + 10*time.Millisecond)
			slow(s.nodes["a"], 3*time.Second)
			time.Sleep(time.Second)
			s.require(len(s.events("a", cluster.Stopped)) == 10, "a has not stopped what it gives away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, 4)
				s.start("a")
				s.start("b")
				time.Sleep(5 * time.Second)
				before(s)
				began := len(s.events("b", cluster.Started))
				s.memory.Put(cluster.CordonPath("b"), drain)
				s.watch("b is drained", drained("b"))
				slow(s.nodes["b"], 200*time.Millisecond) // so that what comes is seen before it is handed on
				stays := true
				time.AfterFunc(5*time.Second, func() { s.memory.Delete(cluster.CordonPath("b")) })
				s.watch("b is uncordoned", func(c *cluster.Snapshot) bool {
					over := len(c.Cordons()) == 0
					stays = stays && (over || drained("b")(c))
					return over
				})
				s.require(stays, "something came to b after its drain")
				s.require(len(s.events("b", cluster.Started)) == began, "b has begun something after that")
				s.end()
			})
		})
	}
}

func slow(n *simNode, by time.Duration) {
	n.network(clustertest.Network{Request: clustertest.Span{Min: by, Max: by}})
}
