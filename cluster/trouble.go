package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	restartFirst = time.Second
	restartMost  = time.Minute
	// steadyAfter is how long all must have been well for what went wrong before to be forgotten.
	steadyAfter = time.Minute
	// quarantineAfter is how many runs in a row may fail: about 20 minutes of them. Kinds that try again by themselves, such
	// as those that keep a connection, go on for ever, at the pace that their spec says.
	quarantineAfter = 50
)

// trouble is what is wrong with a hold, and what earlier holders have told of it. The zero value: nothing.
type trouble struct {
	failures int        // runs in a row that ended with an error
	err      error      // of the last of them
	retryAt  Instant    // no run before this
	past     *Condition // how the run before fared, when it was in trouble
	before   int        // attempts in vain that earlier holders made
	since    time.Time
	well     Instant  // since when nothing has been wrong; 0: something is
	tried    []string // nodes on which it went wrong again and again, in order
}

// recall takes in the trouble that an earlier holder noted: backoff and quarantine survive a move, as
// long as they are about the same spec.
func (h *hold) recall(rec Record, now Instant) {
	h.note.read = true
	var s Status
	if rec.Deleted || json.Unmarshal(rec.Value, &s) != nil || s.State == "" {
		return
	}
	h.note.shown = &s
	h.note.kept = h.note.kept || s.State == stateInvalid // to be deleted once the spec is good
	if s.SpecRev != h.specRev {
		return
	}
	t := &h.trouble
	t.since, t.tried, t.before = s.Since, s.Tried, s.Attempts
	switch s.State {
	case stateQuarantined:
		h.refused = refusal{s.State, s.SpecRev, errors.New(s.Error)}
		return
	case stateDone:
		h.refused = refusal{s.State, s.SpecRev, nil}
		return
	case stateInvalid:
		return
	case stateFailed:
		t.failures, t.err = s.Attempts, errors.New(s.Error)
	default:
		t.past = &Condition{State: s.State, Err: errors.New(s.Error), Attempts: s.Attempts, NextTry: s.NextTry}
	}
	t.retryAt = now.Add(min(max(time.Until(s.NextTry), 0), restartMost))
}

// condition is how a hold fares: in the runner's words while it has any. What went wrong before counts until a runner has told
// otherwise, or has run for a while.
func (h *hold) condition() Condition {
	c, t := Condition{State: stateStarting}, &h.trouble
	switch {
	case h.run == nil && h.refused.state != "":
		return Condition{State: h.refused.state, Err: h.refused.err, Attempts: t.failures}
	case h.run != nil && h.run.stopping != nil:
		return Condition{State: stateStopping}
	case h.run != nil && h.run.condition.Load() != nil:
		c = *h.run.condition.Load()
	case t.past != nil && t.failures == 0:
		return *t.past
	case h.run != nil:
		c.State = stateRunning
	case t.failures > 0:
		c.State = stateFailed
	}
	if c.Err == nil && t.failures > 0 {
		c.Err, c.Attempts = t.err, t.failures
	}
	if c.Err == nil && h.refused.state != "" {
		c.Err = h.refused.err
	}
	return c
}

// failing tells whether something goes wrong that another node may do better, and how often it has gone wrong here. What is
// refused is not: no node can do it.
func (h *hold) failing() (attempts int, failing bool) {
	if h.refused.state != "" {
		return 0, false
	}
	c := h.condition()
	return c.Attempts - h.trouble.before, c.Err != nil
}

// weather notes, at each look, what goes wrong with a hold, and forgets what has been well for long enough. It returns whether the
// resource fails here again and again.
func (h *hold) weather(self string, now Instant) (ill bool) {
	t := &h.trouble
	if h.run != nil && now.Sub(h.run.started) >= steadyAfter {
		t.failures, t.err, t.past = 0, nil, nil
	}
	attempts, failing := h.failing()
	ill = failing && attempts >= tryAfter
	switch {
	case ill && len(t.tried) < tryMost && !slices.Contains(t.tried, self):
		t.tried = append(slices.Clone(t.tried), self) // what was noted shares the old ones
		t.well = 0
	case failing || h.run == nil:
		t.well = 0
	case t.well == 0:
		t.well = now
	case now.Sub(t.well) >= steadyAfter && h.run.stopping == nil:
		h.trouble = trouble{well: t.well}
	}
	return ill
}

// judge decides what becomes of a resource whose runner ended by itself.
func (l *Loop) judge(h *hold, r *run, now Instant) {
	t := &h.trouble
	switch {
	case r.err == nil:
		h.refuse(stateDone, nil)
		return
	case IsPermanent(r.err):
		l.quarantine(h, r.err)
		return
	case now.Sub(r.started) >= steadyAfter:
		t.failures = 0
	}
	t.failures++
	t.err = r.err
	l.tell(Event{Type: Failed, Key: h.key, Epoch: r.epoch, Err: r.err, Count: t.failures})
	if t.failures >= quarantineAfter {
		l.quarantine(h, fmt.Errorf("given up after it failed %d times in a row: %w", t.failures, r.err))
		return
	}
	t.retryAt = now.Add(restartPause(t.failures))
	l.later(h, t.retryAt)
}

// quarantine keeps a resource from being run until its spec is put again, which is what drm retry does.
func (l *Loop) quarantine(h *hold, why error) {
	h.refuse(stateQuarantined, why)
	l.tell(Event{Type: Quarantined, Key: h.key, Err: why})
}

// restartPause draws from the whole range up to a doubling bound (full jitter), so that what failed together
// doesn't come back together. See "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
func restartPause(failures int) time.Duration {
	bound := restartMost
	if failures < 7 {
		bound = min(bound, restartFirst<<failures)
	}
	return rand.N(bound) + time.Millisecond
}
