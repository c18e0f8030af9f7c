package clustertest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Broken to see it fail: no lag; Fresh of the time of delivery.
func TestWatchLags(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		mirror := follow(t, a, a.Clock)
		mirror.until("list", func() bool { return true })
		a.Adjust(func(n *Network) { n.Watch = Span{Min: 500 * time.Millisecond, Max: 2 * time.Second} })
		longest := time.Duration(0)
		for i := range 30 {
			rev, start := m.Put(path(i), ""), m.Now()
			mirror.until("the change", func() bool {
				if mirror.fresh > start && mirror.rev < rev {
					t.Errorf("Fresh is after the change at %d, which was not told", rev)
				}
				return mirror.rev >= rev
			})
			longest = max(longest, m.Now().Sub(start))
			if lag := m.Now().Sub(start); lag < 500*time.Millisecond {
				t.Errorf("told after %v, want at least 500ms", lag)
			}
		}
		if longest < time.Second || longest > 2*time.Second {
			t.Errorf("the longest lag was %v, want up to 2s", longest)
		}
	})
}

// Broken to see it fail: the stall ignored.
func TestStalledWatchWaitsWhileCallsGoOn(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		mirror := follow(t, a, a.Clock)
		mirror.until("list", func() bool { return mirror.fresh > 0 })
		a.Adjust(func(n *Network) { n.StallWatch = true })
		rev := done(t, a, put(path(1), "", 0))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		select {
		case b := <-mirror.batches:
			if mirror.fold(b); mirror.rev >= rev {
				t.Errorf("told %+v over a stalled watch", b)
			}
		default:
		}
		a.Adjust(func(n *Network) { n.StallWatch = false })
		start := m.Now()
		mirror.reach(rev)
		if waited := m.Now().Sub(start); waited != 0 {
			t.Errorf("told %v after the stall, want at once", waited)
		}
	})
}

// Broken to see it fail: the follower goes on with what is left of the history.
func TestCompactionMakesThoseWhoLagListAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		m.Adjust(func(s *Settings) { s.Page = 2 })
		for i := range 9 {
			m.Put(path(i), "")
		}
		mirror := follow(t, a, a.Clock)
		mirror.until("list", func() bool { return true })
		for _, compacted := range []bool{false, true} {
			a.Cut(true)
			told := len(mirror.changes)
			m.Delete(path(1))
			rev := m.Put(path(1), "again")
			m.Delete(path(2))
			m.Put(path(2), "again")
			m.Delete(path(3))
			if compacted {
				m.Compact()
			}
			m.Put(path(3), fmt.Sprint(compacted))
			time.Sleep(time.Minute)
			a.Cut(false)
			mirror.reach(m.Rev())
			if got := len(mirror.changes) - told; compacted == (got > 1) {
				t.Errorf("compacted %t: told of %d changes", compacted, got)
			}
			if got := mirror.records[path(1)].Rev; got != rev {
				t.Errorf("compacted %t: told %s at %d, want %d", compacted, path(1), got, rev)
			}
		}
	})
}

// Broken to see it fail: the follower goes on with what is left of the history.
func TestCompactionDuringAListingLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		m.Adjust(func(s *Settings) { s.Page = 1 })
		for i := range 5 {
			m.Put(path(i), "")
		}
		a.Adjust(func(n *Network) { n.Answer = Span{Min: time.Second} })
		out := follow(t, a, a.Clock)
		time.Sleep(500 * time.Millisecond)
		m.Delete(path(1))
		m.Compact()
		last := m.Put(path(2), "again")
		out.until("the last change", func() bool { return out.rev >= last })
		if out.has(path(1)) || string(out.records[path(2)].Value) != "again" {
			t.Errorf("told of %v", out.records)
		}
	})
}

// Broken to see it fail: no overtaking, so that nothing comes between pages.
func TestBackgroundListingRepeatsTheRange(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		m.Adjust(func(s *Settings) { s.Page = 3 })
		for i := range 20 {
			m.Put(path(i), "")
		}
		a.Adjust(func(n *Network) {
			n.Relist, n.Answer = Span{Min: 2 * time.Second}, Span{Max: 200 * time.Millisecond}
		})
		mirror := follow(t, a, a.Clock)
		mirror.until("list", func() bool { return true })
		listings, between, under := 0, 0, false
		for i := 0; listings < 20 && i < 1000; {
			b := <-mirror.batches
			mirror.fold(b)
			switch {
			case b.Listing:
				under = !b.Complete
				if b.Complete {
					listings++
				}
			case under && len(b.Records) > 0:
				between++
			}
			if b.Listing || len(b.Records) == 0 {
				i++
				m.Put(path(i%20), "again")
			}
		}
		mirror.reach(m.Rev())
		if listings < 20 || between == 0 {
			t.Errorf("the range was listed %d times, with %d changes between pages; want 20 and some", listings, between)
		}
	})
}

// Broken to see it fail: how far the store is asked every ten seconds only.
func TestFollowerSurvivesLostRequests(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		a.Adjust(func(n *Network) { n.LoseRequests = 0.7 })
		m.Put(path(1), "")
		mirror := follow(t, a, a.Clock)
		mirror.reach(m.Rev())
		last := cluster.Instant(0)
		for range 5 {
			mirror.until("a newer Fresh", func() bool { return mirror.fresh > last })
			last = mirror.fresh
		}
	})
}
