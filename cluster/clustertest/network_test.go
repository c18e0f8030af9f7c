package clustertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Broken to see it fail: late requests dropped; the value shared with the caller.
func TestLateRequestCommitsAfterItsCallerGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		mirror := follow(t, m.Client("b"), m.Now)
		mirror.until("list", func() bool { return true })
		a.Adjust(func(n *Network) { n.SlowRequests, n.Slow = 1, Span{Min: 3 * time.Second} })
		start := m.Now()
		value := []byte("late")
		_, err := a.Commit(soon(t), []cluster.Op{{Path: path(1), Value: value}})
		if waited := m.Now().Sub(start); !errors.Is(err, context.DeadlineExceeded) || waited != time.Second {
			t.Fatalf("Commit returned %v after %v, want the end of its context after 1s", err, waited)
		}
		copy(value, "mine")
		if _, ok := m.Get(path(1)); ok {
			t.Fatal("committed before it arrived")
		}
		mirror.until("the late commit", func() bool { return mirror.has(path(1)) })
		if waited := m.Now().Sub(start); waited != 3*time.Second {
			t.Errorf("committed after %v, want 3s", waited)
		}
		if got := string(mirror.records[path(1)].Value); got != "late" {
			t.Errorf("committed %q, which the caller wrote there later", got)
		}
	})
}

// Broken to see it fail: SentAt taken at the answer; no answer slow.
func TestSlowAnswerTellsOfALongPastEffect(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		m.Adjust(func(s *Settings) { s.ExpiryDelay = Span{} })
		a := m.Client("a")
		id := grant(t, a, 5*time.Second)
		a.Adjust(func(n *Network) { n.Answer = Span{Min: 4 * time.Second} })
		sent := a.Clock()
		if err := a.Renew(t.Context(), []cluster.LeaseID{id}, func(ack cluster.Ack) {
			if ack.SentAt != sent || a.Clock().Sub(sent) != 4*time.Second {
				t.Errorf("sent at %d, acked at %d with SentAt %d", sent, a.Clock(), ack.SentAt)
			}
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := m.Leases(); len(got) != 0 {
			t.Errorf("leases are %v; the renewal counted from the ack", got)
		}
	})
}

// Broken to see it fail: either cut ignored.
func TestCutEachWay(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		try := func(path string) {
			t.Helper()
			if _, err := a.Commit(soon(t), []cluster.Op{put(path, "", 0)}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Commit over a cut connection returned %v", err)
			}
		}
		a.Adjust(func(n *Network) { n.CutRequests = true })
		try(path("request"))
		a.Adjust(func(n *Network) { n.CutRequests, n.CutAnswers = false, true })
		try(path("answer"))
		a.Cut(false)
		done(t, a, put(path("after"), "", 0))
		if _, ok := m.Get(path("request")); ok {
			t.Error("a request that was cut off was done")
		}
		if _, ok := m.Get(path("answer")); !ok {
			t.Error("a request whose answer was cut off was not done")
		}
	})
}

// Broken to see it fail: the cut of answers ignored.
func TestSentBeforeTheCutStillCommits(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		a.Adjust(func(n *Network) { n.Request = Span{Min: 500 * time.Millisecond} })
		failed := make(chan error)
		go func() {
			_, err := a.Commit(soon(t), []cluster.Op{put(path(1), "", 0)})
			failed <- err
		}()
		time.Sleep(100 * time.Millisecond)
		a.Cut(true)
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Commit returned %v", err)
		}
		if _, ok := m.Get(path(1)); !ok {
			t.Error("what was under way was lost")
		}
	})
}

// Broken to see it fail: no share below one ever happens; answers never lost.
func TestSharesAreLost(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		const calls = 300
		a := m.Client("a")
		a.Adjust(func(n *Network) { n.LoseRequests, n.LoseAnswers = 0.3, 0.5 })
		answered, before := 0, m.Rev()
		for range calls {
			if _, err := a.Commit(soon(t), []cluster.Op{put(path(1), "", 0)}); err == nil {
				answered++
			}
		}
		if arrived := int(m.Rev() - before); arrived < 180 || arrived > 240 || answered < 75 || answered > 135 {
			t.Errorf("of %d requests %d arrived and %d were answered; want about 210 and 105", calls, arrived, answered)
		}
	})
}

// Broken to see it fail: no second arrival; its answer the one told.
func TestDuplicateIsAppliedTwiceAndAnsweredOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a, before := m.Client("a"), m.Rev()
		a.Adjust(func(n *Network) {
			n.Duplicate, n.Request, n.Answer = 1, Span{Max: 100 * time.Millisecond}, Span{Min: time.Second}
		})
		id := grant(t, a, time.Minute)
		created := put(path(1), "", id)
		created.If = absent(path(1))
		done(t, a, created)
		done(t, a, put(path(2), "", id))
		if err := a.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		// One for the guarded put; two for the other, unless its duplicate came when the lease was gone; one for
		// the lease.
		if made := m.Rev() - before; made < 3 || made > 4 {
			t.Errorf("made %d revisions, want 3 or 4", made)
		}
		a.Adjust(func(n *Network) { n.Request = Span{} })
		before = m.Rev()
		done(t, a, put(path(3), "", 0))
		if made := m.Rev() - before; made != 2 {
			t.Errorf("a put that arrived twice made %d revisions", made)
		}
	})
}

// Broken to see it fail: no drift; no jump.
func TestClockDriftsAndJumps(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		start := m.Now()
		a.Drift(0.99)
		time.Sleep(100 * time.Second)
		if shown := a.Clock().Sub(start); shown != 99*time.Second {
			t.Errorf("after 100s a clock at 0.99 shows %v", shown)
		}
		a.Drift(1)
		a.Jump(time.Hour)
		time.Sleep(time.Second)
		if shown := a.Clock().Sub(start); shown != time.Hour+100*time.Second {
			t.Errorf("after a jump of an hour it shows %v", shown)
		}
	})
}
