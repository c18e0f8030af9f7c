package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// ending is why a term is to end.
type ending struct {
	reason string
	err    error
}

// Why a term ended.
const (
	endLeaving   = "leaving"
	endFenced    = "fenced"   // the node lease lost its trust
	endLost      = "lost"     // the node's key or lease was deleted
	endRestored  = "restored" // the store is another one
	endError     = "error"
	endDuplicate = "duplicate"
)

// fail ends the term; the first reason stands.
func (l *Loop) fail(reason string, err error) {
	if l.over == nil {
		l.over = &ending{reason, err}
	}
}

// close ends the term in the only safe order: stop renewing, cancel runners, wait until each has returned, then revoke.
// A runner that doesn't return is dealt with by the watchdog.
func (l *Loop) close(batches chan Batch, unfollow context.CancelFunc) {
	cause := ErrTrustEnded
	if l.over.reason == endLeaving {
		cause = ErrLeaving
	}
	close(l.term.renewal)
	l.past[l.term.id] = true
	l.term.cancel(cause)
	unfollow()
	l.await(func() {
		for range batches { // Follow may be blocked on it
		}
		l.running.Wait()
		l.work.Wait()
	})
	patience := l.term.timing.ttl / 2
	select {
	case <-l.cfg.Abort: // whoever ends a drain wants the process gone; what isn't revoked by then expires
		patience = min(patience, time.Second)
	default:
	}
	var err error
	l.await(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = l.term.end(ctx)
	})
	l.tell(Event{Type: TermEnded, Term: l.term.id, Reason: l.over.reason, Err: errors.Join(l.over.err, err)})
	l.registered, l.planned = false, false
	l.holds = map[Key]*hold{}
}

// await does something that blocks, while the loop goes on to take back runs and results and to answer queries.
func (l *Loop) await(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	ticker := time.NewTicker(statsEvery)
	defer ticker.Stop()
	for {
		l.publishStats(l.cfg.Clock())
		select {
		case <-ticker.C:
		case r := <-l.returned:
			l.finished(r, l.cfg.Clock())
		case g := <-l.results:
			g()
		case q := <-l.queries:
			q()
		case <-done:
			return
		}
	}
}

// rejoinPause grows to some seconds while no term gets as far as registering: each lists everything first, and a store that is
// full lets nobody in.
func rejoinPause(fruitless int) time.Duration {
	least := 200 * time.Millisecond << min(fruitless, 3)
	return least + rand.N(4*least)
}
