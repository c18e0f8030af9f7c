package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// run is one life of a runner: one resource under one epoch. Each has its own goroutine, which the loop joins by
// receiving it from Loop.returned.
type run struct {
	hold      *hold
	epoch     int64
	lease     *lease
	ctx       context.Context
	cancel    context.CancelCauseFunc
	void      context.CancelCauseFunc // ends Claim.Held, and ctx with it
	started   Instant
	condition atomic.Pointer[Condition]

	// Set by the loop.
	stopping error   // why it was told to stop; nil while it is to go on
	stopAt   Instant // when it was told
	urged    bool    // that it doesn't stop has been said
	lost     bool    // the claim is no longer ours

	// Set by the run's goroutine before it is sent back.
	err error
}

// heldContext is a context of a run. Its Err asks the clock, not only whether the watchdog has been round: a process that
// was stopped, or a machine that slept, wakes up with trust long over, and whoever asks before each write sends nothing then.
type heldContext struct {
	context.Context
	lease *lease
	cfg   *Config
	stop  time.Duration
}

func (c heldContext) Err() error {
	if c.Context.Err() == nil && !c.lease.trusted(c.cfg.Clock(), c.stop) {
		c.lease.lose(ErrTrustEnded)
	}
	return c.Context.Err()
}

// start begins a run. The caller has checked that all of design §4's conditions hold.
func (l *Loop) start(h *hold, change string, now Instant) {
	r := &run{hold: h, epoch: h.epoch, lease: h.lease, started: now}
	checked := func(ctx context.Context) context.Context {
		return heldContext{ctx, h.lease, &l.cfg, l.term.timing.stop}
	}
	held, void := context.WithCancelCause(h.lease.ctx)
	within, cancel := context.WithCancelCause(held)
	r.ctx, r.cancel, r.void = checked(within), cancel, void
	h.run = r
	h.lease.live.Add(1)
	claim := Claim{
		Key: h.key, Spec: h.spec, SpecRev: h.specRev, Epoch: h.epoch, Node: l.cfg.Self.ID, Held: checked(held),
		Change: change, LastRun: h.lastRun(now), Past: h.trouble.past, Report: func(c Condition) { r.condition.Store(&c) },
	}
	runner := l.cfg.Runners[h.key.Kind]
	l.running.Go(func() {
		r.err = runGuarded(r.ctx, runner, claim)
		// Before anything else the lease must know that nothing runs on it: the watchdog looks there.
		r.lease.live.Add(-1)
		l.returned <- r
	})
}

// runGuarded turns a panic of the runner into an error: one resource must not end the others.
func runGuarded(ctx context.Context, runner Runner, c Claim) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("run %s: panic: %v\n%s", c.Key, p, debug.Stack())
		}
	}()
	return runner.Run(ctx, c)
}

// stop tells a run to end; its return is handled by finished.
func (l *Loop) stop(h *hold, why error, now Instant) {
	if h.run.stopping == nil {
		h.run.stopping = why
		h.run.stopAt = now
		h.run.cancel(why)
	}
}

// finished takes a run back whose runner has returned. From here on its epoch is spent.
func (l *Loop) finished(r *run, now Instant) {
	h := r.hold
	h.run = nil
	h.spent = max(h.spent, r.epoch)
	h.stopped = time.Now()
	cause := context.Cause(r.ctx) // before cancel, which only frees the context
	r.void(nil)
	e := Event{Type: Stopped, Key: h.key, Epoch: r.epoch, Reason: stopReason(cause, r.err), Gap: -1}
	if r.stopping != nil {
		e.Gap = now.Sub(r.stopAt)
	}
	l.tell(e)
	h.trouble.past = nil
	if c := r.condition.Load(); c != nil && c.Err != nil && !errors.Is(cause, ErrChanged) {
		h.trouble.past = c
	}
	if cause == nil {
		l.judge(h, r, now)
	}
	l.touch(h)
}

func stopReason(cause, err error) string {
	switch {
	case cause == nil && err == nil:
		return "done"
	case cause == nil:
		return "failed"
	case errors.Is(cause, ErrMoving):
		return "moving"
	case errors.Is(cause, ErrChanged):
		return "changed"
	case errors.Is(cause, ErrUnwanted):
		return "unwanted"
	case errors.Is(cause, ErrLeaving):
		return "leaving"
	case errors.Is(cause, ErrClaimLost):
		return "lost"
	default:
		return "fenced"
	}
}
