package cluster

import (
	"encoding/json"
	"slices"
	"time"
)

// A trial is a move to see whether another node does better with what goes wrong here again and again. It helps the resource when
// the fault lies with this node, and tells this node so: what it gave away is looked at later. Trials are few, since a fault of the
// other end looks the same and no move helps against it.
const (
	// tryAfter is how many attempts in a row go wrong on a node before another one is tried.
	tryAfter = 5
	// tryMost is on how many nodes a resource is tried. What goes wrong on all of them is its own fault, or that of the other end.
	tryMost = 3
	// trialsOpen is how many trials of a node may be without a verdict.
	trialsOpen = 8
	// Trials begin so far apart at least; the pause doubles with each that went no better, up to the longest.
	trialPause     = time.Second
	trialPauseMost = time.Minute
	// A trial is judged once the other node has had some time, and given up after much.
	trialLeast = 15 * time.Second
	trialMost  = 2 * time.Minute
	// evidenceFor is how long the outcome of a trial counts.
	evidenceFor = 5 * time.Minute
)

// The outcomes of trials.
const (
	TrialWell   = "well"   // it runs there
	TrialFailed = "failed" // it goes wrong there as well
)

// trial is a resource that was handed to another node because it went wrong here.
type trial struct {
	key      Key
	node     string
	attempts int // in vain, before
	began    Instant
	reading  bool
}

// verdict is what came of a trial.
type verdict struct {
	at   Instant
	well bool
}

// trials are those of one term.
type trials struct {
	open     []*trial
	verdicts []verdict
	pause    time.Duration
	next     Instant // none begins before this
}

// begin takes in that a resource was handed over on trial.
func (t *trials) begin(h *hold, to *peer, now Instant) {
	if h.note.shown != nil {
		t.open = append(t.open, &trial{key: h.key, node: to.id, attempts: h.note.shown.Attempts, began: now})
	}
}

// counts returns how many of the trials of late went well and how many did not.
func (t *trials) counts(now Instant) (well, failed int) {
	t.verdicts = slices.DeleteFunc(t.verdicts, func(v verdict) bool { return now.Sub(v.at) >= evidenceFor })
	for _, v := range t.verdicts {
		if v.well {
			well++
		}
	}
	return well, len(t.verdicts) - well
}

// tryElsewhere has a hold moved that goes wrong here again and again, if there is a node where it has not been tried. That it has
// been tried here must be written down first, for the next holder to know.
func (l *Loop) tryElsewhere(h *hold, now Instant) {
	t, self := &l.trials, l.cfg.Self.ID
	n := h.note.shown
	switch {
	case n == nil || len(n.Tried) >= tryMost || !slices.Contains(n.Tried, self) || h.note.writing || now < t.next:
		return
	case len(t.open) >= trialsOpen || h.busy || h.to != nil || h.chosen || h.run != nil && h.run.stopping != nil:
		return
	case l.leaving || !l.planned || l.emptying() || l.view.unrest(now) != "":
		return
	}
	attempts, failing := h.failing()
	moved, lately := l.view.calm.moved[h.slot]
	if !failing || attempts < tryAfter || lately && now.Sub(moved) < cooldown {
		return
	}
	to := l.view.elsewhere(h.slot, n.Tried)
	if to == nil {
		return
	}
	t.pause = max(t.pause, trialPause)
	if t.next = now.Add(t.pause); l.health.stage > 0 {
		t.next = now.Add(trialPauseMost) // what they are to show is known; what is left here tells when all is well again
	}
	h.trial = true
	l.choose(h, to, now)
}

// elsewhere returns who is to try a resource that goes wrong on the nodes named: of those who may have it, have room and do well
// themselves, the one with the least load for its weight. It is nil when there is none.
func (v *view) elsewhere(s *slot, tried []string) *peer {
	if s.class == nil {
		return nil
	}
	var best *peer
	for _, p := range s.class.able {
		if p.id == v.self || p.Ailing != nil || slices.Contains(tried, p.id) || !v.eligible(s, p) || v.credit(p) == 0 {
			continue
		}
		if best == nil || lighter(s, p, best) {
			best = p
		}
	}
	return best
}

// judgeTrials asks how those fare that were given to others.
func (l *Loop) judgeTrials(now Instant) {
	l.trials.open = slices.DeleteFunc(l.trials.open, func(t *trial) bool {
		s := l.view.slots[t.key]
		moved := s == nil || !s.live() || s.holder == nil || s.holder.id != t.node
		switch {
		case t.reading:
			return false
		case now.Sub(t.began) < trialLeast:
			return false
		case moved || now.Sub(t.began) >= trialMost:
			return true // nothing can be said
		}
		t.reading = true
		l.post(request{
			op: Op{Read: []string{StatusPath(t.key)}},
			then: func(res Result, _ Answer, err error) {
				t.reading = false
				if err == nil {
					l.judgeTrial(t, res.Read[0])
				}
			},
		})
		return false
	})
}

// judgeTrial takes in what a holder has noted of a resource that it was given on trial: nothing, when all is well.
func (l *Loop) judgeTrial(t *trial, rec Record) {
	var s Status
	well := rec.Deleted
	if !well && (json.Unmarshal(rec.Value, &s) != nil || s.Node != t.node || s.Attempts <= t.attempts) {
		return // it is yet to be tried there
	}
	all := &l.trials
	all.open = slices.DeleteFunc(all.open, func(o *trial) bool { return o == t })
	all.verdicts = append(all.verdicts, verdict{l.cfg.Clock(), well})
	e := Event{Type: Tried, Key: t.key, Node: t.node, Reason: TrialWell}
	all.pause = trialPause
	if !well {
		e.Reason = TrialFailed
		all.pause = min(2*max(all.pause, trialPause), trialPauseMost)
	}
	l.tell(e)
}
