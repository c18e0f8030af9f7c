package cluster

import (
	"context"
	"errors"
	"testing"
	"time"
)

const second = Instant(time.Second)

func trustOf(t *testing.T, sentAt Instant) (*lease, timing) {
	t.Helper()
	tm := newTiming(8*time.Second, time.Second, time.Second) // window 4.92 s, stop budget 1 s
	return newLease(t.Context(), TermID(7).Lease(1), sentAt, tm.window), tm
}

// Seen to fail: anchored at the reply (now instead of SentAt), the last line holds trust until 3.9 + 3.92 s.
func TestTrustIsAnchoredAtTheRequest(t *testing.T) {
	l, tm := trustOf(t, 0)
	l.renewed(Ack{Lease: l.id, SentAt: second, TTL: 8 * time.Second}, 3*second+second/2, tm)
	if !l.trusted(4*second+second*9/10, tm.stop) || l.trusted(5*second, tm.stop) {
		t.Errorf("trust ends at %v, want 5.92 s after the start less the stop budget", time.Duration(l.deadline()))
	}
}

// Seen to fail: without the trusted case in renewed, the late answer revives the lease.
func TestTrustIsLostForGood(t *testing.T) {
	for name, lose := range map[string]func(*lease, timing){
		"an answer after the deadline": func(l *lease, tm timing) {
			l.renewed(Ack{SentAt: 3 * second, TTL: 8 * time.Second}, 5*second, tm)
		},
		"a lease that is gone": func(l *lease, tm timing) { l.renewed(Ack{SentAt: second, TTL: 0}, second, tm) },
		"a revoke":             func(l *lease, _ timing) { l.lose(errRetired) },
	} {
		t.Run(name, func(t *testing.T) {
			l, tm := trustOf(t, 0)
			lose(l, tm)
			l.renewed(Ack{SentAt: 4 * second, TTL: 8 * time.Second}, 4*second, tm)
			if l.trusted(4*second, tm.stop) {
				t.Error("an answer revived the lease")
			}
			if l.ctx.Err() == nil || context.Cause(l.ctx) == nil {
				t.Error("runners on the lease were not cancelled")
			}
		})
	}
}

// An older answer that comes late never shortens trust.
func TestTrustTakesTheLatestRequest(t *testing.T) {
	l, tm := trustOf(t, 0)
	l.renewed(Ack{SentAt: 2 * second, TTL: 8 * time.Second}, 2*second, tm)
	l.renewed(Ack{SentAt: second, TTL: 8 * time.Second}, 2*second, tm)
	if want := (2 * second).Add(tm.window); l.deadline() != want {
		t.Errorf("trust ends at %v, want %v", l.deadline(), want)
	}
}

func TestLeaseIDsTellTheirTerm(t *testing.T) {
	id := TermID(1<<47 - 1).Lease(65535)
	if id < 0 || id.Term() != 1<<47-1 {
		t.Errorf("lease %s is of term %x", id, uint64(id.Term()))
	}
	var back LeaseID
	text, err := id.MarshalText()
	if err = errors.Join(err, back.UnmarshalText(text)); err != nil || back != id {
		t.Errorf("%s came back as %s: %v", id, back, err)
	}
}

// A process that wakes up finds its context over before any timer has fired. Seen to fail with Err left to the
// embedded context.
func TestAHeldContextAsksTheClock(t *testing.T) {
	l, tm := trustOf(t, 0)
	now := second
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	held := heldContext{ctx, l, &Config{Clock: func() Instant { return now }}, tm.stop}
	if err := held.Err(); err != nil {
		t.Fatalf("with trust left: %v", err)
	}
	ended := make(chan struct{})
	context.AfterFunc(held, func() { close(ended) })
	now = 100 * second // it slept
	if held.Err() == nil || !errors.Is(context.Cause(held), ErrTrustEnded) {
		t.Errorf("after the deadline: %v because of %v", held.Err(), context.Cause(held))
	}
	<-ended
}
