package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// send makes one attempt, whose intent is on record.
func (h *hold) send(d *delivery) {
	h.group.Go(func() {
		e, err := h.event(d)
		happened := e.Time
		switch {
		case errors.Is(err, events.ErrGone):
			h.ended <- attempt{delivery: d, outcome: outcome{verdict: refused, word: wordAbort, err: err}}
			return
		case err != nil:
			h.ended <- attempt{delivery: d, unread: err}
			return
		case h.spec.Payload == payloadStandard && e.Time.IsZero():
			e.Time = d.first // its receivers expect a time
		}
		o := h.sender.attempt(h.claim.Held, e, d.attempt, h.claim.Epoch)
		h.meter.Attempt(o.result(), o.took)
		h.ended <- attempt{delivery: d, outcome: o, happened: happened}
	})
}

// probe asks the receiver whether it has an event.
func (h *hold) probe(d *delivery) {
	h.group.Go(func() {
		e, err := h.event(d)
		known := unknown
		switch {
		case err == nil:
			known, err = h.sender.probe(h.claim.Held, e, h.claim.Epoch)
		case !errors.Is(err, events.ErrGone):
			h.ended <- attempt{delivery: d, unread: err}
			return
		}
		h.ended <- attempt{delivery: d, probe: true, known: known, outcome: outcome{err: err}}
	})
}

// event returns what a delivery delivers, from the log unless it has just come from there.
func (h *hold) event(d *delivery) (events.Event, error) {
	if d.event != nil {
		return *d.event, nil
	}
	e, err := h.source.Get(h.ctx, d.ref)
	if err != nil {
		return e, fmt.Errorf("read event %s again: %w", d.ref, err)
	}
	return e, nil
}

// end takes the end of an attempt or a probe in.
func (h *hold) end(e attempt) {
	now := time.Now()
	switch {
	case h.claim.Held.Err() != nil:
		// Its outcome can't be written down: the next holder finds the intent.
	case e.unread != nil:
		h.lane.postpone(e.delivery, e.unread, now)
	case e.probe:
		h.lane.probed(e.delivery, e.known, e.outcome.err, now)
	default:
		if e.outcome.verdict == delivered {
			h.missed = nil
			if !e.happened.IsZero() {
				h.meter.Lag(now.Sub(e.happened))
			}
		}
		h.lane.ended(e.delivery, e.outcome, now)
	}
}

// tell counts what became of an event.
func (h *hold) tell(fate string, d *delivery) {
	h.meter.Delivery(fate)
	if fate == resources.FateDead {
		h.logged().Warn("an event was given up", "event", d.ref, "attempts", d.attempt)
	}
}

// count has the meter show how many deliveries are in doubt, whether the webhook is disabled, and its breaker.
func (h *hold) count(doubt int, off bool, breaker string) {
	h.meter.InDoubt(doubt - h.doubt)
	if off != h.off {
		h.meter.Disable(off)
	}
	h.meter.Breaker(h.breaker, breaker)
	h.doubt, h.off, h.breaker = doubt, off, breaker
}

// result is what an attempt came to, as metrics name it.
func (o outcome) result() string {
	switch {
	case o.verdict == inDoubt:
		return resources.AttemptInDoubt
	case o.status == 0:
		return resources.AttemptNotSent
	case o.status == 429:
		return resources.Attempt429
	case o.status/100 == 2:
		return resources.Attempt2xx
	case o.status/100 == 4:
		return resources.Attempt4xx
	case o.status/100 == 5:
		return resources.Attempt5xx
	}
	return resources.Attempt3xx
}

// ask does what operators ask; they are told when it is on record. What can't be done is logged.
func (h *hold) ask() {
	now := time.Now()
	for _, a := range h.page.Pending() {
		if a.Rev <= h.askedTo {
			continue // it is about to be answered, or was a moment ago
		}
		if err := h.lane.answer(a, now); err != nil {
			h.logged().Warn("an operator asked for what can't be done", "ask", string(a.Value), "err", err)
		}
		h.asked, h.askedTo = append(h.asked, a), a.Rev
	}
}

// The states of a webhook.
const (
	stateReady    = "ready"
	stateFailing  = "failing"  // the receiver takes nothing for now
	stateMissed   = "missed"   // events were deleted before they were delivered, and nothing has been delivered since
	stateInDoubt  = "in_doubt" // somebody must say what to do with deliveries that may have reached the receiver
	stateDisabled = "disabled" // nothing is sent until the spec is put again
)

// show reports how the webhook fares.
func (h *hold) show() {
	h.count(h.lane.doubt, h.lane.off != nil, h.lane.pace.state(time.Now()))
	c := cluster.Condition{State: stateReady}
	switch l := h.lane; {
	case h.unwritten != nil:
		c = cluster.Condition{State: stateFailing, Err: fmt.Errorf("deliver: nothing is sent that can't be written down: %w", h.unwritten)}
	case h.refusal != nil:
		c = cluster.Condition{State: stateFailing, Err: h.refusal}
	case h.unread != nil:
		c = cluster.Condition{State: stateFailing, Err: fmt.Errorf("read events: %w", h.unread)}
	case l.off != nil:
		c = cluster.Condition{State: stateDisabled, Err: fmt.Errorf("deliver: disabled since %s: %s; once that is mended, have it tried again: drm retry %s",
			l.off.Since.UTC().Format(time.RFC3339), l.off.Reason, h.claim.Key)}
	case l.pace.open():
		c = cluster.Condition{State: stateFailing, Err: fmt.Errorf("deliver: %d attempts in a row were in vain: %s", l.pace.failures, l.trouble)}
	case h.missed != nil:
		c = cluster.Condition{State: stateMissed, Err: h.missed}
	case l.doubt > 0:
		c = cluster.Condition{State: stateInDoubt, Err: fmt.Errorf("deliver: %d in doubt: the receiver may have them; drm deliveries %s shows why, drm replay or drm drop decides",
			l.doubt, h.claim.Key)}
	}
	shown := c.State
	if c.Err != nil {
		shown += c.Err.Error()
	}
	if shown != h.shown {
		h.shown = shown
		h.claim.Report(c)
	}
}

// logged returns the logger with what tells the resources apart.
func (h *hold) logged() *slog.Logger {
	return h.logger.With("kind", Kind, "resource", h.claim.Key.ID, "epoch", h.claim.Epoch, "url", resources.RedactURL(h.spec.URL))
}
