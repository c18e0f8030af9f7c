package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// calm takes all faults away and waits until everything that should be held is. Promise 5 gives it a bounded time.
func (s *sim) calm(names []string) {
	s.note("calm")
	s.reap()
	s.memory.Adjust(func(set *clustertest.Settings) {
		set.ExpiryDelay, set.FalseAcks, set.Full = clustertest.Span{Max: 500 * time.Millisecond}, 0, false
	})
	for _, n := range s.nodes {
		n.network(clustertest.Network{Request: clustertest.Span{Max: 2 * time.Millisecond}})
		n.client.Drift(1)
	}
	for key, spec := range s.specs {
		if spec != "{}" && !paused(spec) {
			s.put(key, "{}")
		}
	}
	for _, name := range names {
		s.memory.Delete(cluster.CordonPath(name))
	}
	time.Sleep(30 * time.Second)
	s.reap()
	for _, name := range names { // a process that ended by itself is started again, as systemd would
		if s.nodes[name] == nil {
			s.start(name)
		}
	}
	time.Sleep(60 * time.Second)
	s.check()
	if missing := s.missing(); len(missing) > 0 {
		s.fail(missing...)
	}
	s.balanced(names)
}

func paused(spec string) bool { return strings.Contains(spec, `"paused":true`) }

// missing says what is held and should not be, or the other way round.
func (s *sim) missing() []string {
	var wrong []string
	held := s.ledger.heldBy()
	for key, spec := range s.specs {
		if held[key] == nil && !paused(spec) {
			wrong = append(wrong, key.String()+" is held by nobody")
		}
		if held[key] != nil && paused(spec) {
			wrong = append(wrong, key.String()+" is held though it is paused")
		}
	}
	for key := range held {
		if _, wanted := s.specs[key]; !wanted {
			wrong = append(wrong, key.String()+" is held though it was removed")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// counts returns how many resources each of the nodes that run now runs.
func (s *sim) counts() map[string]int {
	count := map[string]int{}
	by := map[*process]string{}
	for name, n := range s.nodes {
		count[name], by[n.process] = 0, name
	}
	for _, p := range s.ledger.heldBy() {
		if name, ok := by[p]; ok {
			count[name]++
		}
	}
	return count
}

// balanced fails the test when some node runs more than one resource more than another.
func (s *sim) balanced(names []string) {
	count := s.counts()
	least, most := len(s.specs), 0
	for _, name := range names {
		least, most = min(least, count[name]), max(most, count[name])
	}
	if most-least > 1 {
		s.fail(fmt.Sprintf("the spread is %d: %v", most-least, count))
	}
}
