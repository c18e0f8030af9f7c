package webhook

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// ended takes the outcome of an attempt and decides what becomes of the event.
func (l *lane) ended(d *delivery, o outcome, now time.Time) {
	delete(l.active, d.ref)
	l.stale = true
	l.pace.ended(o, now)
	l.remember(d, o, now)
	switch o.verdict {
	case delivered:
		l.done(d, resources.FateDelivered, now)
	case notSent:
		l.again(d, o, now)
	case inDoubt:
		l.doubted(d, o, now)
	case refused:
		l.refused(d, o, now)
	case unfit:
		l.bury(d, o, "it can't be sent before the spec changes", now)
	}
	failing, most := l.pace.since, time.Duration(l.spec.Disable.FailingFor)
	if l.off == nil && most > 0 && !failing.IsZero() && now.Sub(failing) >= most {
		l.disable(fmt.Sprintf("nothing was delivered since %s: %v", failing.UTC().Format(time.RFC3339), o.err), now)
	}
}

// refused decides about an event that the receiver answered and didn't take.
func (l *lane) refused(d *delivery, o outcome, now time.Time) {
	switch {
	case o.word == wordDisable:
		l.disable(o.err.Error(), now)
		l.wait(d, o, now)
	case o.word == wordAbort:
		l.bury(d, o, "the receiver wants no other attempt", now)
	case l.spec.Delivery == modeOnce:
		l.bury(d, o, "in mode once an answer is final", now)
	case o.status == 401 || o.status == 403 || l.spec.Retry.retries(o.status):
		l.again(d, o, now)
	default:
		l.bury(d, o, fmt.Sprintf("retry.on_status does not have %d", o.status), now)
	}
}

// doubted decides about an event that may have reached the receiver.
func (l *lane) doubted(d *delivery, o outcome, now time.Time) {
	policy := l.spec.InDoubt
	switch {
	case l.spec.Delivery == modeAtLeast:
		policy = doubtRetry
	case l.spec.Delivery == modeOnce && policy == doubtRetry:
		policy = doubtHold
	}
	switch policy {
	case doubtRetry:
		l.again(d, o, now)
	case doubtDrop:
		l.done(d, resources.FateDropped, now)
	case doubtProbe:
		d.due = now
		l.put(d, doubtDir, entry{Since: now, Next: now, Reason: o.err.Error()})
		l.rouse(d, now)
		l.tell(resources.FateInDoubt, d)
	default:
		d.due = time.Time{}
		l.put(d, doubtDir, entry{Since: now, Reason: o.err.Error()})
		l.tell(resources.FateInDoubt, d)
	}
}

// maxProbes is how often a receiver is asked about an event before that is left to a person.
const maxProbes = 20

// probed takes what the receiver said when it was asked whether it has an event.
func (l *lane) probed(d *delivery, k knowledge, err error, now time.Time) {
	delete(l.active, d.ref)
	switch k {
	case seen:
		l.done(d, resources.FateDelivered, now)
	case unseen:
		d.due = now
		l.put(d, waitingDir, entry{Since: now, Next: now, Reason: "the receiver says that it does not have it"})
		l.rouse(d, now)
	default:
		e := entry{Since: now, Reason: fmt.Sprintf("ask the receiver whether it has the event: %v", err)}
		d.due = time.Time{}
		if d.probes++; d.probes < maxProbes {
			d.due = now.Add(min(time.Second<<d.probes, 5*time.Minute))
		}
		e.Next = d.due
		l.put(d, doubtDir, e)
		l.rouse(d, now)
	}
}

// again has an event tried once more, by the schedule and no sooner than the receiver asked for.
func (l *lane) again(d *delivery, o outcome, now time.Time) {
	if d.attempt > len(l.spec.Retry.Schedule) {
		l.bury(d, o, fmt.Sprintf("%d attempts are what retry.schedule allows", d.attempt), now)
		return
	}
	l.wait(d, o, now)
}

// wait keeps an event for another attempt.
func (l *lane) wait(d *delivery, o outcome, now time.Time) {
	d.due = now.Add(max(l.spec.Retry.pause(d.attempt), o.retryAfter))
	l.put(d, waitingDir, entry{Since: now, Next: d.due, Status: o.status, Reason: o.err.Error()})
	if l.first(d) {
		l.rouse(d, now)
	}
	l.tell(resources.FateWaiting, d)
}

// reject gives up an event that the spec can't be applied to.
func (l *lane) reject(e events.Event, why error, now time.Time) {
	d := &delivery{ref: e.Ref(), event: &e, through: e.At}
	l.skip(e, now)
	l.put(d, deadDir, entry{Since: now, Reason: why.Error()})
	l.tell(resources.FateDead, d)
}

// bury gives an event up, where a person finds it.
func (l *lane) bury(d *delivery, o outcome, why string, now time.Time) {
	l.put(d, deadDir, entry{Since: now, Status: o.status, Reason: fmt.Sprintf("%v; %s", o.err, why)})
	l.depart(d, resources.FateDead, now)
}

// done settles an event of which nothing is kept.
func (l *lane) done(d *delivery, fate string, now time.Time) {
	l.unput(d)
	l.depart(d, fate, now)
}

func (l *lane) depart(d *delivery, fate string, now time.Time) {
	l.settled = append(l.settled, d.ref)
	d.event = nil // whatever becomes of it is on record
	l.unline(d, now)
	l.tell(fate, d)
}

// withdraw takes back an attempt that was not made, so that the next holder makes it at once.
func (l *lane) withdraw(d *delivery, now time.Time) {
	delete(l.active, d.ref)
	if d.dir == doubtDir {
		return
	}
	d.attempt--
	l.stale = true
	d.due = now
	l.put(d, waitingDir, entry{Since: now, Next: now, Reason: "the resource was let go before it was sent"})
}

// postpone takes back an attempt that was not made since the log can't be read for now. It counts for nothing: who reads a log that is
// away must not give up on a receiver that isn't.
func (l *lane) postpone(d *delivery, why error, now time.Time) {
	delete(l.active, d.ref)
	d.due = now.Add(unreadPause)
	if d.dir != doubtDir {
		d.attempt--
		l.stale = true
		l.put(d, waitingDir, entry{Since: now, Next: d.due, Reason: why.Error()})
	}
	l.rouse(d, now)
}

// disable has nothing sent from now on. What is not settled stays: in the log, or waiting.
func (l *lane) disable(reason string, now time.Time) {
	l.off = &Disabled{Reason: reason, Since: now, Spec: l.specRev}
	l.stale = true
}

// expire forgets dead letters that are too old or too many, the oldest first, and returns when to look again.
func (l *lane) expire(now time.Time) (next time.Time) {
	limit := l.spec.DeadLetter
	for len(l.dead) > 0 && len(l.changes) < maxChanges {
		oldest := l.dead[0]
		next = oldest.since.Add(time.Duration(limit.Retention))
		if len(l.dead) <= limit.Max && next.After(now) {
			return next
		}
		l.unbury(oldest.ref)
		l.tell(resources.FateDropped, &delivery{ref: oldest.ref})
	}
	return time.Time{}
}

// remember notes an attempt among the last ones: one that was taken in the cursor, one in vain in the place of the oldest.
func (l *lane) remember(d *delivery, o outcome, now time.Time) {
	a := Attempt{Event: d.ref, Attempt: d.attempt, Time: now.Add(-o.took), Took: o.took.Round(time.Millisecond).String(), Status: o.status}
	if o.err == nil {
		if len(l.taken) == takenKept {
			l.taken = slices.Delete(l.taken, 0, 1)
		}
		l.taken = append(l.taken, a)
		return
	}
	a.Error, a.Response = o.err.Error(), o.body
	l.trouble = a.Error
	name := attemptsDir + strconv.Itoa(l.place)
	l.place = (l.place + 1) % attemptsKept
	l.changes[name] = append(l.changes[name], state.Change{Name: name, Value: encode(a)})
}

// pause is how long to wait after an attempt, the first being 1: the schedule with jitter, and the short steps drawn from their
// whole length, so that what failed together is not tried together.
func (r *retrySpec) pause(attempt int) time.Duration {
	if len(r.Schedule) == 0 {
		return 0
	}
	step := time.Duration(r.Schedule[min(max(attempt, 1), len(r.Schedule))-1])
	if step <= 5*time.Second {
		return resources.Jitter(step/10, step)
	}
	spread := time.Duration(r.Jitter * float64(step))
	return resources.Jitter(step-spread, step+spread)
}
