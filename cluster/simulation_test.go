package cluster_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

var (
	seeds     = flag.Int("sim.seeds", 12, "how many whole-cluster simulations to run")
	firstSeed = flag.Uint64("sim.first", 1, "the seed of the first one")
)

// Whatever goes wrong, and in whatever order: promises 1 to 5 of docs/design.md hold. test/mutants has what was broken, rule by
// rule, to see this fail.
func TestSimulation(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	s := newSim(t, seed)
	names := []string{"a", "b", "c", "d", "e"}[:2+s.rng.IntN(4)]
	s.putAll(30)
	for _, name := range names {
		s.start(name)
	}
	for range 3 {
		for range 25 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(3 * time.Second))))
			s.fault(names)
			s.check()
		}
		s.calm(names)
	}
	s.end()
	t.Logf("%d runs on %d nodes, revision %d", s.ledger.runs, len(names), s.memory.Rev())
}

// fault makes one thing go wrong, or has a user or an operator do something.
func (s *sim) fault(names []string) {
	s.reap()
	if len(s.nodes) == 0 || len(s.nodes) < len(names) && s.rng.IntN(3) == 0 {
		for _, name := range names {
			if s.nodes[name] == nil {
				s.start(name)
				return
			}
		}
	}
	running := make([]string, 0, len(s.nodes))
	for name := range s.nodes {
		running = append(running, name)
	}
	slices.Sort(running)
	n := s.nodes[running[s.rng.IntN(len(running))]]
	switch s.rng.IntN(8) {
	case 0, 1, 2:
		s.breakNetwork(n)
	case 3:
		s.breakNode(n)
	case 4, 5:
		s.breakStore()
	case 6:
		s.operate(names)
	default:
		s.use()
	}
}

func (s *sim) upTo(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d))) }

func (s *sim) breakNetwork(n *simNode) {
	switch s.rng.IntN(10) {
	case 0, 1, 2, 3:
		n.network(clustertest.Rough(s.rng))
		s.note("%s has a rough connection", n.process.name)
	case 4:
		n.client.Cut(true)
		s.note("%s is cut off", n.process.name)
	case 5:
		n.client.Adjust(func(net *clustertest.Network) { net.CutAnswers = true })
		s.note("%s gets no answers", n.process.name)
	case 6:
		n.client.Adjust(func(net *clustertest.Network) { net.StallWatch = true })
		s.note("%s is told nothing new", n.process.name)
	default:
		n.network(clustertest.Network{})
		s.note("%s is mended", n.process.name)
	}
}

func (s *sim) breakNode(n *simNode) {
	switch s.rng.IntN(6) {
	case 0, 1:
		s.crash(n.name, s.rng.IntN(2) == 0)
	case 2:
		s.shutdown(n.name)
	case 3:
		n.client.Drift(0.99 + 0.02*s.rng.Float64())
	case 4:
		n.mayExit.Store(true) // it may wake up after a deadline
		n.client.Jump(s.upTo(10 * time.Second))
		s.note("%s was suspended", n.process.name)
	default:
		pause := s.upTo(15 * time.Second)
		s.note("the loop of %s hangs for %v", n.process.name, pause)
		n.block()
		time.AfterFunc(pause, n.unblock)
	}
}

func (s *sim) breakStore() {
	switch s.rng.IntN(5) {
	case 0:
		s.memory.ChangeLeader(s.upTo(2 * time.Second))
		s.note("leader changes")
	case 1:
		s.memory.Stall(s.upTo(6 * time.Second))
		s.note("store stalls")
	case 2:
		s.memory.Compact()
		s.note("store is compacted")
	case 3:
		s.memory.Adjust(func(set *clustertest.Settings) {
			set.ExpiryDelay = clustertest.Span{Max: s.upTo(4 * time.Second)}
			set.FalseAcks = s.rng.Float64() / 2
		})
	default:
		full := s.rng.IntN(2) == 0
		s.note("store is full: %v", full)
		s.memory.Adjust(func(set *clustertest.Settings) { set.Full = full })
	}
}

// operate is what operators do with etcdctl.
func (s *sim) operate(names []string) {
	name := names[s.rng.IntN(len(names))]
	claims := s.memory.List("claims/")
	if len(claims) == 0 {
		return
	}
	claim := claims[s.rng.IntN(len(claims))]
	switch s.rng.IntN(8) {
	case 0, 1:
		s.note("operator deletes %s", claim.Path)
		s.deleteClaims(func(r cluster.Record) bool { return r.Path == claim.Path })
	case 2:
		s.note("operator revokes lease %s", claim.Lease)
		if s.deleteClaims(func(r cluster.Record) bool { return r.Lease == claim.Lease }) {
			s.memory.RevokeLease(claim.Lease)
		}
	case 3:
		s.note("operator deletes nodes/%s", name)
		s.memory.Delete(cluster.NodePath(name))
	case 4:
		s.note("operator cordons %s", name)
		s.memory.Put(cluster.CordonPath(name), `{}`)
	case 5:
		s.note("operator drains %s", name)
		s.memory.Put(cluster.CordonPath(name), drain)
	default:
		s.memory.Delete(cluster.CordonPath(name))
	}
}

// longestBid is more than a node can be blind for, and what its last request can take.
const longestBid = 25 * time.Second

// deleteClaims deletes claims behind the backs of holders whose keys stand. Whoever deletes a node's key and then
// its claims has said twice that it is dead. If one of them is new all are left alone: a bid of somebody who does not know of
// it may still be under way, and would be in time now.
func (s *sim) deleteClaims(which func(cluster.Record) bool) (done bool) {
	s.ledger.meddle(func() (keys []cluster.Key) {
		for _, r := range s.memory.List("claims/") {
			if !which(r) {
				continue
			}
			place, err := cluster.ParsePath(r.Path)
			var claim cluster.ClaimValue
			if err = errors.Join(err, json.Unmarshal(r.Value, &claim)); err != nil {
				return nil
			}
			_, there := s.memory.Get(cluster.NodePath(claim.Node))
			if run := s.ledger.live[place.Key]; !there || run.epoch != r.Rev || s.memory.Now().Sub(run.since) < longestBid {
				return nil
			}
			keys = append(keys, place.Key)
		}
		for _, key := range keys {
			s.memory.Delete(cluster.ClaimPath(key))
		}
		done = len(keys) > 0
		return keys
	})
	return done
}

// use is what users do.
func (s *sim) use() {
	key := resource(s.rng.IntN(40))
	if s.specs[key] != "" && s.rng.IntN(4) == 0 {
		s.note("user removes %s", key)
		s.remove(key)
		return
	}
	specs := []string{"{}", `{"flaky":true}`, `{"paused":true}`, `{"invalid":true}`, `{"refused":true}`, `{"weight":1,"n":2}`}
	spec := specs[s.rng.IntN(len(specs))]
	s.note("user puts %s %s", key, spec)
	s.put(key, spec)
}
