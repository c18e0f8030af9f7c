package clustertest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

func testRange(t *testing.T, c Cluster) {
	s := c.Store("a")
	key := cluster.Key{Kind: "test", ID: "1"}
	told := []string{cluster.ClaimPath(key), cluster.CordonPath("n"), cluster.NodePath("n"), cluster.ResourcePath(key)}
	others := []string{cluster.StatePath(key, "cursor"), cluster.StatusPath(key), "topics/t/1", "claim", "resources0", "a"}
	for _, when := range []string{"before", "after"} {
		m := follow(t, c.Store(when), c.Clock)
		if when == "after" {
			m.until("list", func() bool { return true })
		}
		var ops []cluster.Op
		for _, path := range slices.Concat(told, others) {
			ops = append(ops, put(path, when, 0))
		}
		m.reach(done(t, s, ops...)) // the mirror fails on a path from outside the range
		if got := slices.Sorted(maps.Keys(m.records)); !slices.Equal(got, told) {
			t.Errorf("%s: told of %v, want %v", when, got, told)
		}
	}
}

func testGapless(t *testing.T, c Cluster) {
	const writers, writes = 4, 40
	s := c.Store("a")
	var ops []cluster.Op
	for i := range cluster.MaxCommit {
		ops = append(ops, put(path(i), "first", 0))
	}
	done(t, s, ops...)

	m := follow(t, c.Store("b"), c.Clock)
	var mu sync.Mutex
	written := map[int64]string{} // path by revision
	last := int64(0)
	var wg sync.WaitGroup
	for w := range writers {
		s := c.Store(fmt.Sprint("writer", w))
		wg.Go(func() {
			for i := range writes {
				// By 19, so that no key is deleted twice in a row: the second time would make no revision.
				op := cluster.Op{Path: path(w + writers*(i%19)), Value: fmt.Append(nil, i), Delete: i%5 == 4}
				answer, err := s.Commit(within(t), []cluster.Op{op})
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				mu.Lock()
				written[answer.Rev] = op.Path
				last = max(last, answer.Rev)
				mu.Unlock()
			}
		})
	}
	listed := int64(0)
	m.until("list", func() bool { listed = m.rev; return true })
	wg.Wait()
	m.reach(last)

	told := map[int64]string{}
	for _, r := range m.changes {
		told[r.Rev] = r.Path // the mirror fails when a revision is told twice
	}
	maps.DeleteFunc(written, func(rev int64, _ string) bool { return rev <= listed })
	if !maps.Equal(told, written) {
		t.Errorf("told of %d changes after the listing at %d, want the %d written after it", len(told), listed, len(written))
	}
	for path, r := range m.records {
		if now := read(t, s, path)[0]; now.Deleted != r.Deleted || string(now.Value) != string(r.Value) {
			t.Errorf("told %+v, but it is %+v", r, now)
		}
	}
}

func testWhole(t *testing.T, c Cluster) {
	const requests, size = 20, 30
	m := follow(t, c.Store("b"), c.Clock)
	m.until("list", func() bool { return true })
	s := c.Store("a")
	revs := make(chan int64, requests)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(revs)
		for range requests {
			var ops []cluster.Op
			for i := range size {
				ops = append(ops, put(path(i), "", 0))
			}
			answer, err := s.Commit(within(t), ops)
			if err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
			revs <- answer.Rev
		}
	})
	for rev := range revs {
		m.reach(rev) // the mirror fails when a batch goes on with a revision of the one before
		told := slices.DeleteFunc(slices.Clone(m.changes), func(r cluster.Record) bool { return r.Rev != rev })
		if len(told) != size {
			t.Errorf("revision %d was told with %d of %d changes", rev, len(told), size)
		}
	}
}

func testFresh(t *testing.T, c Cluster) {
	const writes = 100
	m := follow(t, c.Store("b"), c.Clock)
	type stamp struct {
		rev   int64
		known cluster.Instant // committed before
	}
	stamps := make(chan stamp, writes)
	var wg sync.WaitGroup
	defer wg.Wait()
	s := c.Store("a")
	wg.Go(func() {
		defer close(stamps)
		for i := range writes {
			answer, err := s.Commit(within(t), []cluster.Op{put(path(i%7), "", 0)})
			if err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
			stamps <- stamp{answer.Rev, c.Clock()}
		}
	})
	var all []stamp
	var end cluster.Instant
	checked := cluster.Instant(0)
	m.until("Fresh after the last write", func() bool {
		for more := end == 0; more; { // first what is known to have been written
			select {
			case s, ok := <-stamps:
				if more = ok; ok {
					all = append(all, s)
				} else {
					end = c.Clock()
				}
			default:
				more = false
			}
		}
		if m.fresh > checked {
			checked = m.fresh
			for _, s := range all {
				if s.known < m.fresh && s.rev > m.rev {
					t.Errorf("Fresh is %v after revision %d was committed, but only %d was told", m.fresh.Sub(s.known), s.rev, m.rev)
				}
			}
		}
		return end != 0 && m.fresh > end
	})
}

func testIdle(t *testing.T, c Cluster) {
	m := follow(t, c.Store("a"), c.Clock)
	m.until("list", func() bool { return m.fresh != 0 })
	for range 2 {
		last, since := m.fresh, c.Clock()
		m.until("a newer Fresh", func() bool { return m.fresh > last })
		// Twice what is promised, for a busy machine.
		if waited := c.Clock().Sub(since); waited > 2*time.Second {
			t.Errorf("a newer Fresh came after %v, want one each second", waited)
		}
	}
}

func testSame(t *testing.T, c Cluster) {
	s := c.Store("a")
	one, two := follow(t, c.Store("b"), c.Clock), follow(t, c.Store("c"), c.Clock)
	one.until("list", func() bool { return true })
	two.until("list", func() bool { return true })
	id := grant(t, s, timeout)
	for i := range 10 {
		done(t, s, put(path(i), "", id), cluster.Op{Path: path(i - 1), Delete: true})
	}
	if err := s.Revoke(within(t), id); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	last := done(t, s, put(path("last"), "", 0))
	one.reach(last)
	two.reach(last)
	same := func(a, b cluster.Record) bool {
		return a.Path == b.Path && a.Rev == b.Rev && a.Deleted == b.Deleted && a.Lease == b.Lease
	}
	if !slices.EqualFunc(one.changes, two.changes, same) {
		t.Errorf("one follower was told %+v, the other %+v", one.changes, two.changes)
	}
}
