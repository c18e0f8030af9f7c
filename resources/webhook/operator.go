package webhook

import (
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// Ask is what an operator asks the holder of a webhook to do: the JSON of a key below asks/webhook/<id>/.
type Ask struct {
	Do Action `json:"do"`
	// Event is the ref of the one event to replay or drop: in doubt, dead, waiting, or, to replay, delivered before.
	Event string `json:"event,omitempty"`
	// All is one of the States that events are kept in, to replay or drop all that are there.
	All State `json:"all,omitempty"`
	// After, to replay, is where in the log to begin again: whatever is after it and not on its way is delivered once more.
	After *events.Position `json:"after,omitempty"`
}

// Action is what is to be done.
type Action string

// The actions that an Ask may have.
const (
	Replay Action = "replay" // send it, now and whatever has happened to it
	Drop   Action = "drop"   // forget it
)

// answer does what an operator asks, if that is not done yet, and notes for the operator what was done.
func (l *lane) answer(ask state.Ask, now time.Time) error {
	if slices.ContainsFunc(l.answers, func(a answer) bool { return a.Rev == ask.Rev }) {
		return nil // its key is about to be deleted
	}
	var a Ask
	done := answer{Rev: ask.Rev}
	err := json.Unmarshal(ask.Value, &a)
	if err == nil {
		done.Events, err = l.do(a, now)
	}
	if err != nil {
		done.Error = err.Error()
	}
	if len(l.answers) == answersKept {
		l.answers = slices.Delete(l.answers, 0, 1)
	}
	l.answers, l.stale = append(l.answers, done), true
	return err
}

// do does what an operator asks, and returns to how many events, as far as that is known.
func (l *lane) do(a Ask, now time.Time) (n int, err error) {
	switch {
	case a.Do != Replay && a.Do != Drop:
	case a.All == Dead:
		n = len(l.dead)
		for _, b := range slices.Clone(l.dead) {
			l.exhume(b.ref, a.Do, now)
		}
		return n, nil
	case a.All == Waiting || a.All == InDoubt:
		return l.resolveAll(a.All, a.Do, now), nil
	case a.Event != "":
		return 1, l.decide(a.Event, a.Do, now)
	case a.Do == Replay && a.After != nil:
		return 0, l.rewind(*a.After)
	}
	return 0, errors.New(`read ask: want {"do": "replay" or "drop"} with "event": its ref, or with "all": "waiting", "in_doubt" or "dead"; or {"do": "replay", "after": {"rev": …}}`)
}

// decide replays or drops one event.
func (l *lane) decide(ref string, do Action, now time.Time) error {
	if _, _, _, err := events.ParseRef(ref); err != nil {
		return err
	}
	_, dead := l.graves[ref]
	switch d := l.kept[ref]; {
	case l.active[ref] != nil:
		return fmt.Errorf("%s event %s: it is being sent; look again when that has ended", do, ref)
	case d != nil && !l.first(d):
		return fmt.Errorf("%s event %s: an event before it with the same key is not settled", do, ref)
	case d != nil:
		l.resolve(d, do, now)
	case dead || do == Replay:
		l.exhume(ref, do, now)
	default:
		return fmt.Errorf("drop event %s: it is neither in doubt, nor waiting, nor dead", ref)
	}
	return nil
}

// resolveAll replays or drops all that waits or is in doubt, in the order of the log, and returns how many. What is being sent or asked
// about stays, and so does what must not overtake it: that goes on by itself.
func (l *lane) resolveAll(s State, do Action, now time.Time) (n int) {
	var all []*delivery
	for _, d := range l.kept {
		if d.dir == s.dir() {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *delivery) int { return strings.Compare(a.ref, b.ref) })
	for _, d := range all {
		if l.active[d.ref] == nil && l.first(d) {
			l.resolve(d, do, now)
			n++
		}
	}
	return n
}

// resolve replays or drops an event that waits or is in doubt.
func (l *lane) resolve(d *delivery, do Action, now time.Time) {
	if i := slices.Index(l.due, d); i >= 0 {
		heap.Remove(&l.due, i)
	}
	if do == Drop {
		l.done(d, resources.FateDropped, now)
		return
	}
	d.attempt, d.due = 0, now
	l.put(d, waitingDir, entry{Since: now, Next: now, Reason: "replayed"})
	l.rouse(d, now)
}

// exhume replays or drops an event of which nothing but a dead letter is kept, or nothing at all.
func (l *lane) exhume(ref string, do Action, now time.Time) {
	d := &delivery{ref: ref, key: ref, first: l.unbury(ref)} // what it was to be in order with has gone before it
	if do == Drop {
		l.tell(resources.FateDropped, d)
		return
	}
	l.line(d)
	l.put(d, waitingDir, entry{Since: now, Next: now, Reason: "replayed"})
	l.rouse(d, now)
}

// rewind has the log read again from a position.
func (l *lane) rewind(after events.Position) error {
	if after.Compare(l.at) > 0 {
		return fmt.Errorf("replay what is after %s: the log is taken up to %s only, and nothing in between was delivered yet", after, l.at)
	}
	l.at, l.queue, l.stale, l.rewound = after, nil, true, true
	return nil
}

// restart has another log read, from its beginning.
func (l *lane) restart() {
	l.at, l.queue, l.stale, l.rewound = events.Position{}, nil, true, true
}
