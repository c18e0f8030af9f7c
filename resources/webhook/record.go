package webhook

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/state"
)

// record is what is to be written down in one transaction, and what may be done once it is.
type record struct {
	changes []state.Change
	cursor  bool     // it holds the cursor: what was begun before is on record
	settled []string // the refs of which nothing more is to be written down once it is
}

// record takes what is to be written down, as much as one transaction holds. The cursor comes last, with the last of the entries: it
// says that the log is taken up to where it stands. Nothing to write is a record without changes.
func (l *lane) record(now time.Time) (r record) {
	lazy := l.skips >= skipsKept || l.skips > 0 && now.Sub(l.skipped) >= skipPause
	if len(l.changes) == 0 && !l.stale && !lazy {
		r.settled, l.settled = l.settled, nil
		return r
	}
	for ref, changes := range l.changes {
		if len(r.changes)+len(changes) > maxChanges {
			return r
		}
		r.changes = append(r.changes, lastOfEach(changes)...)
		delete(l.changes, ref)
	}
	r.cursor = true
	r.changes = append(r.changes, state.Change{Name: cursorName, Value: encode(l.cursor())})
	l.stale, l.skips = false, 0
	r.settled, l.settled = l.settled, nil
	return r
}

// lastOfEach leaves out changes that a later one of the same name undoes.
func lastOfEach(changes []state.Change) (last []state.Change) {
	seen := map[string]bool{}
	for i := len(changes) - 1; i >= 0; i-- {
		if c := changes[i]; !seen[c.Name] {
			seen[c.Name] = true
			last = append(last, c)
		}
	}
	return last
}

func (l *lane) cursor() cursor {
	c := cursor{
		Topics: l.spec.Topics, Source: l.spec.Source.name(), At: l.at, Spec: l.specRev, Taken: l.taken, Answers: l.answers, FailingSince: l.pace.since, Disabled: l.off,
	}
	for _, d := range l.active {
		if d.dir != doubtDir { // of those the receiver is only asked
			c.Flight = append(c.Flight, flight{Event: d.ref, Attempt: d.attempt, Key: d.key, First: d.first})
		}
	}
	return c
}

// lazily is when what was passed by is to be written down; zero for never.
func (l *lane) lazily() time.Time {
	if l.skips == 0 {
		return time.Time{}
	}
	return l.skipped.Add(skipPause)
}

// takeover fills the lane with what the holders before have left. What they may have sent without writing down what came
// of it is in doubt.
func (l *lane) takeover(found ledger, now time.Time) {
	again := l.resume(found)
	for _, ref := range slices.Sorted(maps.Keys(found.entries[deadDir])) {
		e := found.entries[deadDir][ref]
		l.dead = append(l.dead, buried{ref, e.Since})
		l.graves[ref] = e.First
	}
	slices.SortStableFunc(l.dead, func(a, b buried) int { return a.since.Compare(b.since) })
	all := map[string]*delivery{}
	for _, dir := range []string{waitingDir, doubtDir} {
		for ref, e := range found.entries[dir] {
			d := &delivery{ref: ref, attempt: e.Attempt, first: e.First, key: e.Key, dir: dir, due: e.due(now)}
			if again && !d.due.IsZero() {
				d.due = now
			}
			all[ref], l.kept[ref] = d, d
			if dir == doubtDir {
				l.doubt++
			}
		}
	}
	left := map[string]bool{}
	for _, f := range found.leftovers() {
		if left[f.Event] = true; all[f.Event] == nil {
			all[f.Event] = &delivery{ref: f.Event}
		}
		all[f.Event].attempt, all[f.Event].key, all[f.Event].first = f.Attempt, f.Key, f.First
	}
	for _, ref := range slices.Sorted(maps.Keys(all)) {
		d := all[ref]
		l.line(d)
		switch {
		case left[ref]:
			l.doubted(d, outcome{verdict: inDoubt, err: errLeftover}, now)
		case l.first(d):
			l.rouse(d, now)
		}
	}
}

// resume goes on from the cursor, and tells whether the spec was put again since. Then somebody wants to see whether it fares better now:
// the webhook is no longer disabled, and what waits is tried at once.
func (l *lane) resume(found ledger) (again bool) {
	var newest time.Time
	for i := range attemptsKept {
		if a, ok := found.attempts[strconv.Itoa(i)]; ok && !a.Time.Before(newest) {
			newest, l.trouble, l.place = a.Time, a.Error, (i+1)%attemptsKept
		}
	}
	c := found.cursor
	if c == nil {
		return false
	}
	l.at, l.taken, l.answers, l.pace.since = c.At, c.Taken, c.Answers, c.FailingSince
	if c.Disabled != nil && c.Disabled.Spec >= l.specRev {
		l.off = c.Disabled
	}
	again = c.Spec < l.specRev
	if again {
		l.pace.since = time.Time{}
	}
	l.stale = len(c.Flight) > 0 || again
	return again
}

// errLeftover is why an attempt of an earlier holder is in doubt.
var errLeftover = errors.New("the node that sent it ended, or lost the resource, before it wrote down what came of it")
