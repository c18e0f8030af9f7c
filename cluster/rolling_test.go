package cluster_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// moves returns how often each resource has begun to run on another process than before, from what the nodes have told.
func (s *sim) moves() map[cluster.Key]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, moved := map[cluster.Key]string{}, map[cluster.Key]int{}
	for _, l := range s.trace {
		if key := l.event.Key; l.event.Type == cluster.Started {
			if was := at[key]; was != "" && was != l.by {
				moved[key]++
			}
			at[key] = l.by
		}
	}
	return moved
}

// Nodes of different sizes and labels join while 300 resources of different weights are being put.
func TestJoinsWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1)
		for i := range 300 {
			if i%60 == 0 {
				name := string(rune('a' + i/60))
				s.start(name, func(cfg *cluster.Config) {
					room := int64(600)
					cfg.Self.Capacity, cfg.Self.Weight, cfg.Self.Zone = &room, 1+int64(i/60)%3, fmt.Sprintf("z%d", i/60%2)
				})
			}
			s.put(resource(i), fmt.Sprintf(`{"weight":%d,"requires":{"zone":"z%d"}}`, 1+i%3, i%2))
			time.Sleep(10 * time.Millisecond)
		}
		loaded := s.settle(5 * time.Second)
		time.Sleep(30 * time.Second)
		s.settle(0)
		t.Logf("all held %v after the last was put; by node: %v, moves %d", loaded, s.counts(), total(s.moves()))
		s.end()
	})
}

func total(counts map[cluster.Key]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// longestGap is how long a resource may be without a runner in a hand-off, stopping excluded: the last one has just begun when
// its giver is gone.
const longestGap = 50 * time.Millisecond

// Each of three nodes leaves and comes back in turn. What it holds must go somewhere, and comes back to it, whether the next restart waits
// for that or not: no resource moves more than twice in all, and what all of them were without a runner adds up to little. Seen to fail
// with the longest held first (4 times), and with an origin that is kept, or given anew, when its resource moves on (3 times).
func TestRollingRestart(t *testing.T) {
	for name, rest := range map[string]time.Duration{"at rest": 20 * time.Second, "at once": time.Second, "amid balance": 2100 * time.Millisecond} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) { rollingRestart(t, seed, rest) })
		}
	}
}

func rollingRestart(t *testing.T, seed uint64, rest time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, seed)
		names := []string{"a", "b", "c"}
		s.putAll(301) // one too many to come out even
		for _, name := range names {
			slow(s.start(name), 2*time.Millisecond)
		}
		s.settle(5 * time.Second)
		time.Sleep(10 * time.Second)
		before := total(s.moves())
		for _, name := range names {
			err := s.outcome(s.shutdown(name), 20*time.Second)
			s.require(err == nil, "%s has not left: %v", name, err)
			s.settle(longestGap)
			slow(s.start(name), 2*time.Millisecond)
			time.Sleep(rest)
			s.settle(longestGap)
		}
		time.Sleep(time.Minute)
		s.balanced(names)
		moved := total(s.moves()) - before
		most := 0
		for _, n := range s.moves() {
			most = max(most, n)
		}
		without := time.Duration(0)
		for _, e := range s.events("", cluster.Started) {
			if e.Reason == cluster.ChangeHandOff {
				without += max(0, e.Gap)
			}
		}
		t.Logf("%d moves of 301 resources in 3 restarts, one of them %d times; without a holder %v in all", moved, most, without)
		s.require(most <= 2, "a resource has moved %d times", most)
		s.require(moved <= 3*2*101, "%d moves", moved)
		for _, e := range s.events("", cluster.Released) {
			s.fail(fmt.Sprintf("%s was released: %s", e.Key, e.Reason))
		}
		s.end()
	})
}
