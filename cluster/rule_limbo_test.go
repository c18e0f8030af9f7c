package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

func TestThreeThousandResources(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(3000)
		s.start("a")
		s.settle(10 * time.Second)
	})
}

// A node takes claims and starts none of them. It is given what its intake lease may carry, and no more.
func TestABlackHoleIsGivenNoMoreThanItsCredit(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(2500)
		s.start("a")
		s.settle(10 * time.Second)
		hole := &tamper{commit: nil}
		hole.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			if ops[0].Path == "" {
				return cluster.Answer{}, errUnknown
			}
			return hole.Store.Commit(ctx, ops)
		}
		s.start("b", tampered(hole))
		time.Sleep(2 * time.Minute)
		given := 2500 - s.counts()["a"]
		s.require(given > 500 && given <= mostOnLease, "%d was given to a node that starts nothing", given)
		hole.set(func() { hole.commit = nil })
		time.Sleep(time.Minute)
		s.settle(0)
		s.balanced([]string{"a", "b"})
	})
}

// A node has started all that came, asks for its next intake lease, and starts nothing from then on. While the store takes its
// time, one more claim comes: the new lease is not named.
func TestAnIntakeLeaseIsNotNamedForWhatCameMeanwhile(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(2500)
		s.start("a")
		s.settle(10 * time.Second)
		hole := &tamper{}
		asked, granted := make(chan cluster.LeaseID, 1), make(chan struct{})
		hole.grant = func(id cluster.LeaseID) error {
			if n := number(id); n > 2 && n < 1<<16-1 { // but its node lease, its first two claim leases and the shortest one
				asked <- id
				<-granted
			}
			return nil
		}
		s.start("b", tampered(hole))
		next := <-asked
		hole.set(func() {
			hole.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
				if ops[0].Path == "" {
					return cluster.Answer{}, errUnknown
				}
				return hole.Store.Commit(ctx, ops)
			}
		})
		claim := cluster.Op{Path: cluster.ClaimPath(resource(2500)), Value: []byte(`{"node":"b","from":"a"}`), Lease: next - 1}
		if _, err := s.memory.Client("another").Commit(t.Context(), []cluster.Op{claim}); err != nil {
			s.fail(err.Error())
		}
		s.put(resource(2500), "{}")
		time.Sleep(time.Second)
		close(granted)
		time.Sleep(time.Minute)
		given := len(s.memory.List("claims/")) - s.counts()["a"]
		s.require(given > 900 && given <= mostOnLease, "%d was given to a node that starts nothing any more", given)
		hole.set(func() { hole.commit = nil })
		time.Sleep(time.Minute)
		s.settle(0)
		s.balanced([]string{"a", "b"})
	})
}

// While the store takes no writes nothing is stopped for the sake of evenness.
func TestNothingMovesWhileTheStoreIsFull(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(20)
		s.start("a")
		b := s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(20 * time.Second)
		full := func(is bool) { s.memory.Adjust(func(set *clustertest.Settings) { set.Full = is }) }
		full(true)
		for key, p := range s.ledger.heldBy() {
			if p == b.process {
				s.remove(key) // a release is a deletion, which a full store takes
			}
		}
		time.Sleep(30 * time.Second)
		for _, e := range s.events("a", cluster.Stopped) {
			s.require(e.Reason != "moving", "%s was stopped for a move that can't be made", e.Key)
		}
		s.settle(0)
		full(false)
		time.Sleep(10 * time.Second)
		s.settle(0)
		s.balanced([]string{"a", "b"})
	})
}

// A store that refuses, refuses at once: a node that asked again at once would keep it from all else.
func TestAFullStoreIsNotAskedWithoutPause(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		var asked atomic.Int32
		w := &tamper{}
		w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			asked.Add(1)
			return w.Store.Commit(ctx, ops)
		}
		a := s.start("a", tampered(w))
		s.start("b")
		s.settle(5 * time.Second)
		a.network(clustertest.Network{Request: clustertest.Span{Min: time.Millisecond, Max: time.Millisecond}})
		s.memory.Adjust(func(set *clustertest.Settings) { set.Full = true })
		asked.Store(0)
		s.shutdown("a")
		time.Sleep(10 * time.Second)
		s.require(asked.Load()/10 < 20, "%d requests in a second", asked.Load()/10)
		s.memory.Adjust(func(set *clustertest.Settings) { set.Full = false })
		s.require(s.outcome(a, 15*time.Second) == nil, "it has not left")
	})
}

// What no node can run is tried once, until its spec changes.
func TestAPermanentErrorIsNotRepeated(t *testing.T) {
	play(t, func(s *sim) {
		s.put(resource(0), `{"refused":true}`)
		s.start("a")
		time.Sleep(2 * time.Minute)
		ran := len(s.events("a", cluster.Started))
		s.require(ran == 1, "it ran %d times", ran)
		s.put(resource(0), "{}")
		s.settle(5 * time.Second)
	})
}
