package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// lease is one lease of this node's term and the trust in it. Trust is anchored at the moment a request was sent, is
// kept per lease, and is lost once and for good: no answer revives it, since between the loss and the answer others
// may have taken what was on the lease.
//
// The renewing goroutine, the watchdog and the loop share it; what they share is atomic.
type lease struct {
	id     LeaseID
	ctx    context.Context // ends, with a cause, one stop budget before trust does
	cancel context.CancelCauseFunc

	until atomic.Int64 // Instant at which trust ends
	lost  atomic.Bool
	live  atomic.Int32 // runners on it that have not returned

	// The loop's own.
	claims   int  // claims of ours on it, as far as the view shows
	reserved int  // puts on it under way
	intake   bool // others put claims on it, so this node's bids don't
	ending   bool // to be revoked as soon as no runner is left on it
	revoking bool
	again    Instant // no revoke before this, since the last one failed
	idle     Instant // since when there has been nothing on it
}

func newLease(parent context.Context, id LeaseID, sentAt Instant, window time.Duration) *lease {
	l := &lease{id: id}
	l.ctx, l.cancel = context.WithCancelCause(parent)
	l.until.Store(int64(sentAt.Add(window)))
	return l
}

func (l *lease) deadline() Instant { return Instant(l.until.Load()) }

// trusted tells whether a runner may start, or go on, on this lease. Runners get the stop budget to return before the
// deadline, so trust is over for them when only that is left.
func (l *lease) trusted(now Instant, stop time.Duration) bool {
	return !l.lost.Load() && now < l.deadline().Add(-stop)
}

// renewed takes the answer to a renewal in. An answer that comes after trust has ended counts for nothing.
func (l *lease) renewed(a Ack, now Instant, t timing) {
	switch {
	case a.TTL <= 0:
		l.lose(errLeaseGone)
	case !l.trusted(now, t.stop):
		l.lose(ErrTrustEnded)
	default:
		until := int64(a.SentAt.Add(t.window))
		for old := l.until.Load(); until > old && !l.until.CompareAndSwap(old, until); old = l.until.Load() {
		}
	}
}

// lose ends trust for good and cancels every runner on the lease, in this order: whoever sees that a lease is lost can ask
// its context why.
func (l *lease) lose(cause error) {
	l.cancel(cause)
	l.lost.Store(true)
}

var (
	errLeaseGone = errors.New("the lease no longer exists in the store")
	errRetired   = errors.New("nothing is left on the lease")
	errTermOver  = errors.New("the term is over")
)
