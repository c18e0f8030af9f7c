package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/redistest"
)

// A server that is down when the resource starts, that is killed and that comes back: each time the resource is there again, and the loss
// is told, from when to when. There is no gap before the first connection. Seen to fail with the gap begun only when the next attempt is.
func TestServerDownAndKilled(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "`+s.URL()+`", "channels": ["c"], `+soon+`}`)
	h.troubled(resources.StateBackingOff, "refused")
	s.Restart()
	h.connected()
	s.Do("PUBLISH", "c", "1")
	h.data("1")
	before := time.Now()
	s.Kill()
	h.troubled(resources.StateBackingOff, "connection lost")
	down := time.Now()
	s.Restart()
	h.connected()
	from, to := h.gap("connection lost")
	if from.After(down) || from.Before(before.Add(-5*time.Second)) || to.Before(down) {
		t.Errorf("the gap goes from %s to %s; the server was killed at %s", from, to, before)
	}
	s.Do("PUBLISH", "c", "2")
	h.data("2")
	n.count.mu.Lock()
	defer n.count.mu.Unlock()
	if n.count.gaps != 1 || (n.count.gapTime-to.Sub(from)).Abs() > time.Second { // by two clocks
		t.Errorf("%d gaps of %s counted, want one of %s", n.count.gaps, n.count.gapTime, to.Sub(from))
	}
}

// An operator ends all subscribers' connections, again and again. Each loss is told once, and nothing is received twice.
func TestClientKill(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	spec := `{"url": "` + s.URL() + `", "channels": ["c"], ` + soon + `}`
	a, b := n.hold("a", spec).connected(), n.hold("b", spec).connected()
	quiet := n.hold("quiet", `{"url": "`+s.URL()+`", "channels": ["c"], "emit_gaps": false, `+soon+`}`).connected()
	for i := range 3 {
		s.Do("CLIENT", "KILL", "TYPE", "pubsub")
		for _, h := range []*held{a, b, quiet} {
			h.until(resources.StateBackingOff)
			h.connected()
		}
		s.Do("PUBLISH", "c", fmt.Sprint(i))
		for _, h := range []*held{a, b} {
			h.gap("connection lost: EOF")
			h.data(fmt.Sprint(i))
		}
		quiet.data(fmt.Sprint(i))
	}
}

// A server that stands still, its connections open, is noticed by its silence. Seen to fail (never silent) without the time-out.
func TestSilence(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "`+s.URL()+`", "channels": ["c"], "ping": {"interval": "200ms", "timeout": "300ms"}, "dial_timeout": "500ms", `+soon+`}`).connected()
	s.Stop()
	h.until(resources.StateSilent)
	s.Cont()
	h.connected()
	h.gap("i/o timeout")
	s.Do("CLIENT", "PAUSE", "3000", "ALL") // clients are connected, and get no answer
	h.until(resources.StateSilent)
	s.Do("CLIENT", "UNPAUSE")
	h.connected()
	h.gap("i/o timeout")
}

// A quiet server that answers pings keeps its connection. Seen to fail with no pings sent.
func TestQuiet(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "`+s.URL()+`", "channels": ["c"], "ping": {"interval": "100ms", "timeout": "200ms"}}`).connected()
	calls := func() bool {
		info := fmt.Sprintf("%s", s.Do("INFO", "commandstats"))
		_, rest, _ := strings.Cut(info, "cmdstat_ping:calls=")
		count, _, _ := strings.Cut(rest, ",")
		return len(count) > 1 // ten and more
	}
	s.Until("answer pings", calls)
	if got := n.count.of(n.count.connects, resources.ConnectOK); got != 1 {
		t.Errorf("%d connections were made, want 1", got)
	}
	s.Do("PUBLISH", "c", "1")
	h.data("1")
}

// What was missed while the resource moved is told as a gap, as far as it is known; whoever never ran has none. Seen to fail with the
// gap of every claim begun at its LastRun.
func TestGapOverAMove(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	last := time.Now().Add(-time.Minute).Round(0)
	claimed := func(change string, past *cluster.Condition) func(context.Context, *cluster.Claim) context.Context {
		return func(ctx context.Context, c *cluster.Claim) context.Context {
			c.Change, c.LastRun, c.Past = change, last, past
			return ctx
		}
	}
	spec := `{"url": "` + s.URL() + `", "channels": ["c"]}`
	moved := n.hold("moved", spec, claimed(cluster.ChangeHandOff, nil))
	if from, to := moved.gap("the resource has moved here"); !from.Equal(last) || time.Since(to) > time.Minute {
		t.Errorf("the gap goes from %s to %s, want it from %s", from, to, last)
	}
	// Its holder was in trouble, so nobody knows since when it received nothing.
	ill := n.hold("ill", spec, claimed(cluster.ChangeTakeover, &cluster.Condition{State: resources.StateBackingOff, Err: errors.New("x"), Attempts: 3}))
	if from, _ := ill.gap("is gone"); !from.IsZero() {
		t.Errorf("the gap goes from %s, which nobody knows", from)
	}
	full := n.hold("full", spec, claimed(cluster.ChangeHandOff, &cluster.Condition{State: resources.StateSinkBlocked, Err: errors.New("x")}))
	if from, _ := full.gap("moved here"); !from.Equal(last) {
		t.Errorf("after a blocked sink the gap goes from %s, want %s", from, last)
	}
	fresh := n.hold("fresh", spec, claimed(cluster.ChangeNew, nil)).connected()
	s.Do("PUBLISH", "c", "1")
	fresh.data("1")
}

// Refused credentials are not tried again at full speed: neither by the connection that all share, nor by each resource. Seen to fail with paceAuth
// waiting as any other failure does.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "right")
	n := newNode(t, nil)
	var all []*held
	for i := range 20 {
		all = append(all, n.hold(fmt.Sprint(i), `{"url": "`+s.URL()+`", "password": "wrong", "channels": ["c"], `+soon+`}`))
	}
	for _, h := range all {
		c := h.until(resources.StateAuthFailed)
		if wait := time.Until(c.NextTry); c.Err == nil || !strings.Contains(c.Err.Error(), "WRONGPASS") || wait < 4*time.Minute {
			t.Errorf("%s: %v, next try in %s", h.id, c.Err, wait)
		}
	}
	none := n.hold("none", `{"url": "`+s.URL()+`", "channels": ["c"], `+soon+`}`)
	none.troubled(resources.StateAuthFailed, "NOAUTH Authentication required.; give it a password")
	if got := n.count.of(n.count.connects, resources.ConnectAuth); got != 2 {
		t.Errorf("%d attempts to log in, want 2", got)
	}
}

// Once the context's Err is not nil not a byte more reaches the sink, though the context has told nobody yet: so it is when a process
// is woken up after its trust has ended. Seen to fail with the sink given a context that doesn't ask the clock.
func TestFence(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	clock := &lateContext{over: make(chan struct{})}
	h := n.hold("x", `{"url": "`+s.URL()+`", "channels": ["c"]}`, func(ctx context.Context, _ *cluster.Claim) context.Context {
		clock.Context = ctx
		return clock
	}).connected()
	s.Do("PUBLISH", "c", "1")
	h.data("1")
	close(clock.over)
	other := n.hold("other", `{"url": "`+s.URL()+`", "channels": ["c"]}`).connected()
	s.Do("PUBLISH", "c", "2")
	other.data("2")
	h.end()
	if left := len(n.from("drm/redis/x")); left != 0 {
		t.Errorf("%d events after the end", left)
	}
}

// lateContext is over before it tells.
type lateContext struct {
	context.Context
	over chan struct{}
}

func (c *lateContext) Err() error {
	select {
	case <-c.over:
		return cluster.ErrTrustEnded
	default:
		return c.Context.Err()
	}
}
