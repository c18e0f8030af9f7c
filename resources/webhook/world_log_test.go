package webhook

import (
	"fmt"
	"slices"

	"github.com/drm-cluster/drm/events"
)

// wanted leaves out every fifth event, as a filter would.
func wanted(e events.Event) bool { return e.At.Rev%5 != 0 }

// keyOf gives events three keys.
func (w *world) keyOf(ref string) string {
	if w.spec.Ordering == orderKey {
		return fmt.Sprint(int(ref[len(ref)-1]) % 3)
	}
	return ""
}

// feed gives the lane what comes next in the log, and now and then something that it was not told to be settled for the second time.
func (w *world) feed() {
	if w.read > 0 && w.rand.IntN(4) == 0 {
		e := w.log[w.rand.IntN(w.read)]
		if !w.forgotten[e.Ref()] && !w.lane.known(e) {
			w.t.Fatalf("%s was read before, and is taken for new", e.Ref())
		}
	}
	for n := 1 + w.rand.IntN(4); n > 0 && w.read < len(w.log) && w.lane.hungry(); n-- {
		e := w.log[w.read]
		w.read++
		switch {
		case w.lane.known(e):
			w.t.Fatalf("%s is new, and is taken for one that was read before", e.Ref())
		case wanted(e):
			w.lane.take(e, w.keyOf(e.Ref()), w.now)
		default:
			w.lane.skip(e, w.now)
		}
	}
}

// mayForget is what the log is told to be settled: from now on it need not have it.
func (w *world) mayForget(refs []string) {
	c := w.found()
	for _, ref := range refs {
		w.forgotten[ref] = true
		i := slices.IndexFunc(w.log, func(e events.Event) bool { return e.Ref() == ref })
		_, waits := c.entries[waitingDir][ref]
		_, doubted := c.entries[doubtDir][ref]
		flies := slices.ContainsFunc(c.cursor.Flight, func(f flight) bool { return f.Event == ref })
		ahead := w.log[i].At.Compare(c.cursor.At) > 0
		if wanted(w.log[i]) && (waits || doubted || flies || ahead || !w.sent[ref].settled) {
			w.t.Fatalf("the log may forget %s, which on record is waiting (%t), in doubt (%t), on its way (%t) or not taken up (%t)", ref, waits, doubted, flies, ahead)
		}
	}
}
