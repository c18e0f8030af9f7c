package webhook

import (
	"container/heap"
	"slices"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/state"
)

const (
	// maxKept is how many events may wait for another attempt before the log is taken up no further: it keeps the others.
	maxKept = 1000
	// maxChanges is how many entries one transaction writes, beside the cursor.
	maxChanges = 90
	// unreadPause is how long an event waits that can't be read again for now.
	unreadPause = time.Second
	// skipsKept and skipPause bound how seldom it is written down that events were taken up which the filter didn't want.
	skipsKept = 1000
	skipPause = time.Second
)

// delivery is an event on its way to the receiver.
type delivery struct {
	ref     string
	event   *events.Event   // nil: to be read again
	through events.Position // how far the log is taken up with this one
	key     string          // what it must be in order with
	attempt int             // attempts begun
	first   time.Time       // when the first of them was: as such the time of an event whose publisher gave none, in all of them
	dir     string          // where its entry lies; "" for nowhere
	due     time.Time       // when it is tried, or asked about, again
	probes  int             // how often the receiver was asked whether it has this one
}

// lane is what is to be sent to one receiver. It decides what is begun, what becomes of it, and what is to be written down; it does
// neither, and knows no clock. It belongs to one goroutine.
//
//	feed ─▶ queue ─▶ active ─▶ settled
//	          │       │  ▲
//	  (behind │       ▼  │ due
//	  its key)└────▶ waiting ─────▶ dead
//	                  doubt ──ask──▶
type lane struct {
	spec   *spec
	pace   pace
	at     events.Position // the log is taken up to here
	queue  []*delivery     // read from the log, not taken up yet
	active map[string]*delivery
	due    dueHeap
	kept   map[string]*delivery   // those with an entry in waiting or doubt, active ones too
	lines  map[string][]*delivery // with an ordering: by key, the first is active, waiting or in doubt and the others wait for it
	doubt  int
	dead   []buried             // oldest first
	graves map[string]time.Time // when the dead, by ref, were first to be sent
	off    *Disabled

	taken   []Attempt // the last ones, newest last
	answers []answer  // to the last asks, newest last
	place   int       // where in the ledger the next attempt goes that was in vain
	trouble string    // why the last one was

	changes map[string][]state.Change // by ref; not yet written
	settled []string                  // the refs of which nothing more is to be written down but that
	stale   bool                      // the cursor on record is not what is so
	skips   int                       // events taken up and not written down, since nothing came of them
	skipped time.Time                 // when the first of them was
	rewound bool                      // the log is to be read again from at

	specRev int64 // when the spec was put
	tell    func(fate string, d *delivery)
}

type buried struct {
	ref   string
	since time.Time
}

func newLane(s *spec, specRev int64, tell func(string, *delivery)) *lane {
	return &lane{
		spec: s, pace: newPace(s), specRev: specRev, tell: tell,
		active: map[string]*delivery{}, kept: map[string]*delivery{}, graves: map[string]time.Time{}, lines: map[string][]*delivery{},
		changes: map[string][]state.Change{},
	}
}

// hungry tells whether more of the log is to be read.
func (l *lane) hungry() bool {
	return l.off == nil && len(l.queue) < l.spec.Concurrency && len(l.kept) < maxKept
}

// known tells whether an event was read before. A log gives it again when it was not told that it is settled.
func (l *lane) known(e events.Event) bool {
	through := l.at
	if n := len(l.queue); n > 0 {
		through = l.queue[n-1].through
	}
	if e.At.Compare(through) > 0 {
		return false
	}
	ref := e.Ref()
	queued := slices.ContainsFunc(l.queue, func(d *delivery) bool { return d.ref == ref })
	if !queued && l.kept[ref] == nil && l.active[ref] == nil {
		l.settled = append(l.settled, ref)
	}
	return true
}

// take puts an event into the queue. When the log is read again, it may be on its way already, or have been given up.
func (l *lane) take(e events.Event, key string, now time.Time) {
	ref := e.Ref()
	if l.kept[ref] != nil || l.active[ref] != nil {
		l.pass(e, now)
		return
	}
	l.queue = append(l.queue, &delivery{ref: ref, event: &e, through: e.At, key: key, first: l.unbury(ref)})
}

// skip passes an event by that is not to be delivered.
func (l *lane) skip(e events.Event, now time.Time) {
	l.settled = append(l.settled, e.Ref())
	l.pass(e, now)
}

// pass takes the log up to an event, with the one before it if that is still in the queue.
func (l *lane) pass(e events.Event, now time.Time) {
	if n := len(l.queue); n > 0 {
		l.queue[n-1].through = e.At
		return
	}
	l.at = e.At
	if l.skips++; l.skips == 1 {
		l.skipped = now
	}
}

// begin returns what is to be begun now and counts it as active; and when to ask again if nothing happens before, zero for never.
// An attempt may be made only once the intent is on record.
func (l *lane) begin(now time.Time) (begun []*delivery, wake time.Time) {
	for l.off == nil && len(l.active) < l.spec.Concurrency && len(l.changes) < maxChanges {
		at, never := l.pace.next(now, len(l.active))
		if never {
			break
		}
		if at.After(now) {
			if len(l.due)+len(l.queue) == 0 {
				at = time.Time{}
			}
			return begun, at
		}
		d := l.next(now)
		if d == nil {
			if len(l.due) > 0 {
				wake = l.due[0].due
			}
			break
		}
		l.active[d.ref] = d
		if d.dir != doubtDir {
			d.attempt++
			if d.first.IsZero() {
				d.first = now.UTC().Truncate(time.Millisecond)
			}
			l.stale = true
			l.pace.begun(now)
		}
		begun = append(begun, d)
	}
	return begun, wake
}

// next takes the delivery whose turn it is: what is due goes before what is new.
func (l *lane) next(now time.Time) *delivery {
	if len(l.due) > 0 && !l.due[0].due.After(now) {
		return heap.Pop(&l.due).(*delivery)
	}
	for len(l.queue) > 0 && len(l.kept) < maxKept && len(l.changes) < maxChanges {
		d := l.queue[0]
		busy := len(l.lines[d.key]) > 0 && l.spec.Ordering != orderNone
		if busy && l.spec.Ordering == orderStrict {
			return nil
		}
		l.queue = l.queue[1:]
		l.at, l.stale = d.through, true
		l.line(d)
		if !busy {
			return d
		}
		l.put(d, waitingDir, entry{Since: now, Reason: "an event before it with the same key is not settled"})
	}
	return nil
}

// line puts a delivery behind those that it must be in order with.
func (l *lane) line(d *delivery) {
	if l.spec.Ordering != orderNone {
		l.lines[d.key] = append(l.lines[d.key], d)
	}
}

// unline takes the first of a line out: it is settled, and the next one may go.
func (l *lane) unline(d *delivery, now time.Time) {
	line := l.lines[d.key]
	if l.spec.Ordering == orderNone || len(line) == 0 || line[0] != d {
		return
	}
	if line = line[1:]; len(line) == 0 {
		delete(l.lines, d.key)
		return
	}
	l.lines[d.key] = line
	l.rouse(line[0], now)
}

// first tells whether no other delivery must be settled before this one.
func (l *lane) first(d *delivery) bool { return l.spec.Ordering == orderNone || l.lines[d.key][0] == d }

// rouse has a delivery tried when it is due, or asked about. One that is in doubt and not to be asked about stays for a person.
func (l *lane) rouse(d *delivery, now time.Time) {
	if d.dir == doubtDir && d.due.IsZero() {
		return
	}
	d.due = laterOf(d.due, now)
	heap.Push(&l.due, d)
}

// put moves the entry of a delivery into a directory.
func (l *lane) put(d *delivery, dir string, e entry) {
	l.unput(d)
	d.event = nil // whatever becomes of it is on record
	e.Attempt, e.Key, e.First = d.attempt, d.key, d.first
	l.changes[d.ref] = append(l.changes[d.ref], state.Change{Name: dir + d.ref, Value: encode(e)})
	if dir == deadDir {
		l.dead = append(l.dead, buried{d.ref, e.Since})
		l.graves[d.ref] = d.first
		return
	}
	d.dir = dir
	l.kept[d.ref] = d
	if dir == doubtDir {
		l.doubt++
	}
}

// unput deletes the entry of a delivery.
func (l *lane) unput(d *delivery) {
	if d.dir == "" {
		return
	}
	l.erase(d.ref, d.dir)
	if d.dir == doubtDir {
		l.doubt--
	}
	delete(l.kept, d.ref)
	d.dir = ""
}

// unbury deletes a dead letter, if there is one, and returns when it was first to be sent.
func (l *lane) unbury(ref string) (first time.Time) {
	first, dead := l.graves[ref]
	if dead {
		delete(l.graves, ref)
		l.dead = slices.DeleteFunc(l.dead, func(b buried) bool { return b.ref == ref })
		l.erase(ref, deadDir)
	}
	return first
}

// erase deletes an entry. One name is changed once in a transaction, the last time counts.
func (l *lane) erase(ref, dir string) {
	l.changes[ref] = append(l.changes[ref], state.Change{Name: dir + ref, Delete: true})
}

// idle tells whether nothing is under way and all that is known is on record.
func (l *lane) idle() bool {
	return len(l.active) == 0 && len(l.changes) == 0 && !l.stale && l.skips == 0
}
