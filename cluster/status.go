package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// lastGood is the name under which the holder keeps the last good spec while the newest one is invalid, so that the next
// holder can go on with it.
const lastGood = "spec"

const (
	lookEvery = time.Second // how often conditions are looked at
	// notesMost is how many status/ keys a node writes or deletes each time it looks: one request. Ten thousand resources that all
	// fail then cost the store no more than that, and it takes longer until all of it is written down.
	notesMost = MaxCommit
	// noteLeast is how long a status/ key stands at least. While trouble goes on it doubles with each write up to noteRarest.
	noteLeast  = time.Second
	noteRarest = time.Minute
	// errorMost is how many bytes of an error are noted.
	errorMost = 1 << 10
)

// note is what has been written about a hold beside its claim. A healthy resource has none.
type note struct {
	shown   *Status // what status/ holds; nil: nothing
	read    bool    // what it held when the claim came is known
	kept    bool    // the last good spec is in state/
	writes  int     // of the same trouble
	at      Instant // of the last of them
	writing bool
}

// left names what may be in the store beside the claim.
func (n *note) left(key Key) []string {
	var paths []string
	if n.shown != nil || !n.read {
		paths = append(paths, StatusPath(key))
	}
	if n.kept || !n.read {
		paths = append(paths, StatePath(key, lastGood))
	}
	return paths
}

// pace is how long what was written last is to stand.
func (n *note) pace() time.Duration { return min(noteLeast<<min(n.writes, 6), noteRarest) }

// look compares how each hold fares with what is written about it, and counts them for the figures.
func (l *Loop) look(now Instant) {
	l.publishStats(now)
	if now.Sub(l.looked) < lookEvery {
		return
	}
	l.looked = now
	budget, ill := notesMost, 0
	for _, h := range l.holds {
		if h.weather(l.cfg.Self.ID, now) {
			ill++
		}
		l.urge(h, now)
		l.keepSpec(h) // first: it matters more, and one write is under way at a time
		if budget > 0 && l.noteStatus(h, now) {
			budget--
		}
		l.tryElsewhere(h, now)
	}
	l.judgeTrials(now)
	l.judgeSelf(ill, now)
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

// noteStatus writes status/ while something is wrong with a hold, and deletes it once all is well. It returns whether it has begun to.
func (l *Loop) noteStatus(h *hold, now Instant) bool {
	n, c := &h.note, h.condition()
	wrong := c.Err != nil || h.run == nil && h.refused.state != ""
	since := now.Sub(n.at)
	switch {
	case n.writing || h.busy || h.epoch == 0 || h.run != nil && h.run.stopping != nil:
		return false
	case !wrong && (n.shown == nil || h.run == nil || n.at != 0 && since < noteLeast):
		return false
	case !wrong:
		n.at = now
		l.write(h, Op{Path: StatusPath(h.key), Delete: true}, func() { n.shown = nil })
		return true
	}
	s := l.status(h, c, now)
	if n.shown != nil && !s.news(n.shown) && (s.same(n.shown) || n.at != 0 && since < n.pace()) {
		return false
	}
	if n.shown == nil && since >= noteRarest {
		n.writes = 0 // another trouble
	}
	text, err := json.Marshal(s)
	if err != nil {
		return false // a status is strings, numbers and times: it always encodes
	}
	n.at = now
	n.writes++
	l.write(h, Op{Path: StatusPath(h.key), Value: text}, func() { n.shown = s })
	return true
}

// status is what is to be noted of a hold that fares so.
func (l *Loop) status(h *hold, c Condition, now Instant) *Status {
	t := &h.trouble
	if t.since.IsZero() {
		t.since = time.Now()
	}
	s := &Status{
		Node: l.cfg.Self.ID, Epoch: h.epoch, State: c.State, Attempts: c.Attempts, NextTry: c.NextTry,
		Since: t.since, SpecRev: h.specRev, Tried: t.tried,
	}
	if c.Err != nil {
		text := c.Err.Error()
		s.Error = strings.ToValidUTF8(text[:min(len(text), errorMost)], "")
	}
	switch {
	case h.refused.state != "":
		s.SpecRev = h.refused.rev
	case h.run == nil && t.failures > 0:
		s.NextTry = time.Now().Add(max(t.retryAt.Sub(now), 0))
	}
	return s
}

// news tells whether a status is by another node than the last, or says that one more has tried: that is written at once.
func (s *Status) news(last *Status) bool {
	return s.Node != last.Node || len(s.Tried) != len(last.Tried)
}

// same tells whether a status says the same as the last, the time of the next try apart.
func (s *Status) same(last *Status) bool {
	return !s.news(last) && s.State == last.State && s.Error == last.Error && s.Attempts == last.Attempts && s.SpecRev == last.SpecRev
}

// clearNote deletes what is noted about a hold that is to be released, and returns whether nothing is left.
func (l *Loop) clearNote(h *hold) bool {
	n := &h.note
	paths := n.left(h.key)
	if len(paths) == 0 || n.writing {
		return len(paths) == 0 && !n.writing
	}
	l.write(h, Op{Path: paths[0], Delete: true}, func() {
		if paths[0] == StatusPath(h.key) {
			n.shown, n.read, n.kept = nil, true, n.kept || !n.read
		} else {
			n.kept = false
		}
	})
	return false
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
