package webhook

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// Ask is what an operator asks the holder of a webhook to do: the JSON of a key below asks/webhook/<id>/.
type Ask struct {
	Do Action `json:"do"`
	// Event is the ref of the one event to replay or drop: in doubt, dead, waiting, or, to replay, delivered before.
	Event string `json:"event,omitempty"`
	// All is "doubt" or "dead", to replay or drop all that are there.
	All string `json:"all,omitempty"`
	// After, to replay, is where in the log to begin again: whatever is after it and not on its way is delivered once more.
	After *events.Position `json:"after,omitempty"`
}

// Action is what is to be done.
type Action string

// The actions that an Ask may have.
const (
	Replay Action = "replay"
	Drop   Action = "drop"
	Enable Action = "enable" // after it was disabled
)

// do does what an operator asks.
func (l *lane) do(a Ask, now time.Time) error {
	switch {
	case a.Do == Enable:
		l.enable()
	case a.Do == Replay && a.After != nil:
		l.rewind(*a.After)
	case (a.Do == Replay || a.Do == Drop) && a.All == "doubt":
		for _, d := range l.inDoubt() {
			l.resolve(d, a.Do, now)
		}
	case (a.Do == Replay || a.Do == Drop) && a.All == "dead":
		for _, b := range slices.Clone(l.dead) {
			l.exhume(b.ref, a.Do, now)
		}
	case (a.Do == Replay || a.Do == Drop) && a.Event != "":
		return l.decide(a.Event, a.Do, now)
	default:
		return fmt.Errorf("read ask: want {\"do\": \"replay\" or \"drop\", \"event\": …} or {\"do\": \"enable\"}")
	}
	return nil
}

// decide replays or drops one event.
func (l *lane) decide(ref string, do Action, now time.Time) error {
	switch d := l.kept[ref]; {
	case l.active[ref] != nil:
		return fmt.Errorf("%s event %s: it is being sent; look again when that has ended", do, ref)
	case d != nil && !l.first(d):
		return fmt.Errorf("%s event %s: an event before it with the same key is not settled", do, ref)
	case d != nil:
		l.resolve(d, do, now)
	case l.graves[ref] || do == Replay:
		l.exhume(ref, do, now)
	default:
		return fmt.Errorf("drop event %s: it is neither in doubt, nor waiting, nor dead", ref)
	}
	return nil
}

// inDoubt returns what is in doubt and not just being asked about, in the order of the log.
func (l *lane) inDoubt() (doubted []*delivery) {
	for ref, d := range l.kept {
		if d.dir == doubtDir && l.active[ref] == nil {
			doubted = append(doubted, d)
		}
	}
	slices.SortFunc(doubted, func(a, b *delivery) int { return strings.Compare(a.ref, b.ref) })
	return doubted
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
	l.unbury(ref)
	d := &delivery{ref: ref, key: ref} // what it was to be in order with has gone before it
	if do == Drop {
		l.tell(resources.FateDropped, d)
		return
	}
	l.line(d)
	l.put(d, waitingDir, entry{Since: now, Next: now, Reason: "replayed"})
	l.rouse(d, now)
}

// rewind has the log read again from a position.
func (l *lane) rewind(after events.Position) {
	l.at, l.queue, l.stale, l.rewound = after, nil, true, true
}

// enable has a webhook deliver again that was disabled.
func (l *lane) enable() {
	l.off, l.pace.failures, l.pace.since = nil, 0, time.Time{}
	l.stale = true
}
