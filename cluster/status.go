package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// lastGood is the name under which the holder keeps the last good spec while the newest one is invalid, so that the next
// holder can go on with it.
const lastGood = "spec"

const (
	lookEvery = time.Second      // how often conditions are looked at
	noteEvery = 10 * time.Second // how often the same trouble may be written
)

// note is what has been written about a hold beside its claim. A healthy resource has none.
type note struct {
	shown   Status // State is "" when status/ holds nothing
	kept    bool   // the last good spec is in state/
	at      Instant
	since   time.Time
	writing bool
}

// written names the keys that a note has put, for whoever deletes them.
func (n *note) written(key Key) []string {
	var paths []string
	if n.shown.State != "" {
		paths = append(paths, StatusPath(key))
	}
	if n.kept {
		paths = append(paths, StatePath(key, lastGood))
	}
	return paths
}

// recall takes in the trouble that an earlier holder noted: backoff and quarantine survive a move, as
// long as they are about the same spec.
func (h *hold) recall(rec Record, now Instant) {
	var s Status
	if json.Unmarshal(rec.Value, &s) != nil || s.State == "" {
		return
	}
	h.note.shown, h.note.since = s, s.Since
	h.note.kept = h.note.kept || s.State == stateInvalid // to be deleted once the spec is good
	if s.SpecRev != h.specRev {
		return
	}
	switch s.State {
	case stateQuarantined, stateDone:
		h.refused = refusal{s.State, s.SpecRev, errors.New(s.Error)}
	case stateFailed:
		h.failures, h.trouble = s.Attempts, errors.New(s.Error)
		h.retryAt = now.Add(min(max(time.Until(s.NextTry), 0), restartMost))
	}
}

// condition is how a hold fares: in the runner's words while it has any.
func (h *hold) condition() (state string, trouble error) {
	if h.run == nil {
		switch {
		case h.refused.state != "":
			return h.refused.state, h.refused.err
		case h.failures > 0:
			return stateFailed, h.trouble
		}
		return stateStarting, nil
	}
	if h.run.stopping != nil {
		return stateStopping, nil
	}
	state, trouble = stateRunning, h.trouble
	if c := h.run.condition.Load(); c != nil {
		state = c.State
		if c.Err != nil {
			trouble = c.Err
		}
	}
	if trouble == nil && h.refused.state != "" {
		trouble = h.refused.err
	}
	return state, trouble
}

// look compares how each hold fares with what is written about it, and counts them for the figures.
func (l *Loop) look(now Instant) {
	l.publishStats(now)
	if now.Sub(l.looked) < lookEvery {
		return
	}
	l.looked = now
	for _, h := range l.holds {
		if h.run != nil && h.failures > 0 && now.Sub(h.run.started) >= steadyAfter {
			h.failures, h.trouble = 0, nil
		}
		l.urge(h, now)
		l.keepSpec(h) // first: it matters more, and one write is under way at a time
		l.noteStatus(h, now)
	}
}

// urge speaks up about a runner that was told to stop and doesn't return, while its lease is trusted: the resource can be
// neither run nor moved. The move it was to make is given up, so that others are not held up.
func (l *Loop) urge(h *hold, now Instant) {
	patience := 5 * l.term.timing.stop
	if h.run == nil || h.run.stopping == nil || h.run.urged || now.Sub(h.run.stopAt) < patience {
		return
	}
	h.run.urged = true
	l.unmove(h)
	l.tell(Event{Type: Stuck, Key: h.key, Epoch: h.run.epoch, Err: fmt.Errorf(
		"stop resource: its runner was told to stop (%w) and has not returned for %v; it is run and moved no more until it does",
		h.run.stopping, patience)})
}

// noteStatus writes status/ while something is wrong with a hold, and deletes it once all is well.
func (l *Loop) noteStatus(h *hold, now Instant) {
	n := &h.note
	state, trouble := h.condition()
	wrong := trouble != nil || h.run == nil && h.refused.state != ""
	if n.writing || h.busy || h.epoch == 0 || !wrong && n.shown.State == "" ||
		h.run != nil && h.run.stopping != nil {
		return
	}
	if !wrong {
		n.since = time.Time{}
		l.write(h, Op{Path: StatusPath(h.key), Delete: true}, func() { n.shown = Status{} })
		return
	}
	if n.since.IsZero() {
		n.since = time.Now()
	}
	s := Status{
		Node: l.cfg.Self.ID, Epoch: h.epoch, State: state, Attempts: h.failures, Since: n.since, SpecRev: h.specRev,
	}
	if trouble != nil {
		s.Error = trouble.Error()
	}
	if h.refused.state != "" {
		s.SpecRev = h.refused.rev
	}
	if h.run == nil && h.failures > 0 {
		s.NextTry = time.Now().Add(max(h.retryAt.Sub(now), 0))
	}
	same := n.shown.State == s.State && n.shown.Error == s.Error && n.shown.Node == s.Node
	if same && n.shown.Attempts == s.Attempts || n.at != 0 && now.Sub(n.at) < noteEvery {
		return
	}
	text, err := json.Marshal(s)
	if err != nil {
		return // a status is strings, numbers and times: it always encodes
	}
	n.at = now
	l.write(h, Op{Path: StatusPath(h.key), Value: text}, func() { n.shown = s })
}

// keepSpec keeps the last good spec in the store while the newest is invalid. It returns whether all is as it should be;
// if not, the hold is settled again once a write was answered.
func (l *Loop) keepSpec(h *hold) bool {
	n := &h.note
	want := h.refused.state == stateInvalid && h.refused.rev != h.specRev
	switch {
	case want == n.kept:
		return true
	case n.writing || h.busy:
	case want:
		l.write(h, Op{Path: StatePath(h.key, lastGood), Value: h.spec}, func() { n.kept = true })
	default:
		l.write(h, Op{Path: StatePath(h.key, lastGood), Delete: true}, func() { n.kept = false })
	}
	return false
}

// write makes a write on the resource's behalf, guarded by its epoch.
func (l *Loop) write(h *hold, op Op, done func()) {
	h.note.writing = true
	op.If = []Guard{{ClaimPath(h.key), h.epoch}}
	l.post(request{op: op, then: func(res Result, _ Answer, err error) {
		h.note.writing = false
		if res.Done {
			done()
		}
		if err != nil {
			l.pause(h)
			return
		}
		l.touch(h)
	}})
}
