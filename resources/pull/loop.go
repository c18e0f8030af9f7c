package pull

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// Loop makes the polls of one run, one after the other, and reports how they go. Not for concurrent use.
type Loop struct {
	ctx     context.Context // while it lasts, something new may be begun
	claim   cluster.Claim   // without its spec
	spec    *Spec
	log     *slog.Logger
	pace    *pace
	next    time.Time
	shows   cluster.Condition // but for trouble with the sink
	blocked bool              // by the sink
}

// Outcome is how a poll went through.
type Outcome struct {
	State string        // to report; empty: ready
	Err   error         // why it is another
	Asked time.Duration // as of an Answer
}

// Loop returns the Loop of a run that begins now. last is when the resource was polled before, as far as is known.
func (s *Set) Loop(ctx context.Context, spec *Spec, c cluster.Claim, last time.Time) *Loop {
	now := time.Now()
	l := &Loop{ctx: ctx, claim: c, spec: spec, log: s.o.Log, pace: newPace(spec, c, now), shows: cluster.Condition{State: StateReady}}
	l.claim.Spec, l.claim.Past = nil, nil // thousands of specs are not to be kept in memory twice
	l.next = l.pace.first(now, last)
	if c.Past != nil {
		l.shows = *c.Past
		l.shows.NextTry = l.next
	}
	l.claim.Report(l.shows)
	return l
}

// Run polls at each time until the context ends, and returns its cause, or an error of poll that is no *Trouble. Each poll is made on a
// goroutine of its own: idle ones are to keep small stacks.
func (l *Loop) Run(poll func(began time.Time) (Outcome, error)) error {
	for {
		if err := resources.Wait(l.ctx, time.Until(l.next)); err != nil {
			return err
		}
		var err error
		resources.Apart(func() { err = l.Poll(poll) })
		if err != nil {
			return err
		}
	}
}

// Poll makes one poll now, reports how it went, and sets when the next is due. A *Trouble is reported, any other error ends the run.
func (l *Loop) Poll(poll func(began time.Time) (Outcome, error)) error {
	began := time.Now()
	o, err := poll(began)
	now := time.Now()
	var why *Trouble
	switch {
	case l.ctx.Err() != nil:
		return resources.Cause(l.ctx)
	case errors.As(err, &why):
		l.next = l.pace.failed(now, why.Asked)
		l.show(cluster.Condition{State: why.State, Err: why, Attempts: l.pace.failures, NextTry: l.next})
		return nil
	case err != nil:
		return err
	}
	l.next = l.pace.next(began, now, o.Asked)
	if o.Err == nil {
		o.State = StateReady
	}
	l.show(cluster.Condition{State: o.State, Err: o.Err})
	return nil
}

func (l *Loop) show(c cluster.Condition) {
	if c.Err != nil {
		l.log.Warn("poll", "kind", l.claim.Key.Kind, "resource", l.claim.Key.ID, "epoch", l.claim.Epoch, "url", resources.RedactURL(l.spec.URL),
			"state", c.State, "next_in", time.Until(l.next).Round(time.Millisecond), "err", c.Err)
	}
	if c.Err == nil && l.shows.Err == nil {
		return
	}
	l.shows = c
	l.claim.Report(c)
}

// SinkTrouble reports how attempts to hand something to the sink go, which has precedence over all else. It is for sink.Set.Open, and called
// during a poll only.
func (l *Loop) SinkTrouble(err error) {
	switch {
	case err != nil:
		l.claim.Report(cluster.Condition{State: resources.StateSinkBlocked, Err: err})
	case l.blocked:
		l.claim.Report(l.shows)
	}
	l.blocked = err != nil
}
