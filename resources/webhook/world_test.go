package webhook

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// world is a log, a ledger and a receiver in memory, and one lane after another between them: holders that end at any point, some
// without a word. It knows what has really happened, and fails the test when that breaks a promise.
type world struct {
	t      testing.TB
	rand   *rand.Rand
	spec   *spec
	now    time.Time
	log    []events.Event
	ledger map[string][]byte
	sent   map[string]*history
	// forgotten are the refs that the log was told to be settled.
	forgotten map[string]bool
	put       int64 // when the spec was
	calm      bool  // from now on everything is delivered at the first attempt, and nobody ends

	lane   *lane
	read   int         // how much of the log this holder has read
	begun  []*delivery // not on record
	flying []*delivery
}

// history is what has happened to one event.
type history struct {
	last    verdict // of the last attempt that was sent; notSent if none was
	taken   int     // how often the receiver took it
	settled bool
	dropped bool
}

var errTest = errors.New("no")

func newWorld(t testing.TB, seed uint64, change func(*spec)) *world {
	s := defaults()
	s.Topics = []string{"t"}
	s.Concurrency = 3
	s.Retry.Schedule = s.Retry.Schedule[:3]
	s.Disable.FailingFor = 0
	s.RateLimit.Rate = 0
	change(&s)
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), spec: &s, now: time.Unix(1_700_000_000, 0),
		ledger: map[string][]byte{}, sent: map[string]*history{}, forgotten: map[string]bool{},
	}
	for i := range 30 {
		// Some share a revision, as those of one transaction do.
		e := events.Event{Topic: "t", ID: fmt.Sprint("e", i), At: events.Position{Rev: int64(10 + i/2), Name: fmt.Sprintf("t/e%02d", i)}}
		w.log = append(w.log, e)
		w.sent[e.Ref()] = &history{}
	}
	w.holdAgain()
	return w
}

// holdAgain begins a new holder, which knows the ledger alone.
func (w *world) holdAgain() {
	for _, d := range w.flying {
		if d.dir != doubtDir { // it was sent, and no holder will ever know what came of it
			w.sent[d.ref].last = inDoubt
			w.sent[d.ref].taken += w.rand.IntN(2)
		}
	}
	w.lane = newLane(w.spec, w.put, w.told)
	w.lane.takeover(w.found(), w.now)
	w.begun, w.flying = nil, nil
	w.read, _ = slices.BinarySearchFunc(w.log, w.lane.at, func(e events.Event, at events.Position) int {
		if e.At.Compare(at) <= 0 {
			return -1
		}
		return 1
	})
}

// found is what a new holder finds.
func (w *world) found() ledger {
	var records []state.Record
	for _, name := range slices.Sorted(maps.Keys(w.ledger)) {
		records = append(records, state.Record{Name: name, Value: w.ledger[name]})
	}
	found, err := readLedger(records)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) told(fate string, d *delivery) {
	if fate == resources.FateDelivered || fate == resources.FateDead || fate == resources.FateDropped {
		w.sent[d.ref].settled = true
	}
	w.sent[d.ref].dropped = w.sent[d.ref].dropped || fate == resources.FateDropped
}

// step lets one thing happen.
func (w *world) step() {
	switch w.rand.IntN(8) {
	case 0, 1:
		w.feed()
	case 2:
		begun, _ := w.lane.begin(w.now)
		for _, d := range begun {
			if d.dir == doubtDir {
				w.flying = append(w.flying, d) // the receiver is only asked, for which nothing needs to be on record
			} else {
				w.begun = append(w.begun, d)
			}
		}
	case 3, 4:
		w.record()
	case 5, 6:
		w.outcome()
	case 7:
		w.now = w.now.Add(time.Duration(w.rand.IntN(1_000_000)) * time.Millisecond)
		if !w.calm {
			w.end()
		}
	}
	if n := len(w.lane.active); n > w.spec.Concurrency {
		w.t.Fatalf("%d attempts at a time; %d is the most", n, w.spec.Concurrency)
	}
}

// record writes down what is to be, unless the holder ends before it is done, or after it and before it knows.
func (w *world) record() {
	r := w.lane.record(w.now)
	if len(r.changes) == 0 {
		return
	}
	if !w.calm && w.rand.IntN(20) == 0 {
		w.holdAgain()
		return
	}
	names := map[string]bool{}
	for _, c := range r.changes {
		if names[c.Name] {
			w.t.Fatalf("%s is written twice in one transaction", c.Name)
		}
		names[c.Name] = true
		if c.Delete {
			delete(w.ledger, c.Name)
			continue
		}
		w.ledger[c.Name] = c.Value
	}
	w.mayForget(r.settled)
	if !w.calm && w.rand.IntN(20) == 0 {
		w.holdAgain()
		return
	}
	if r.cursor {
		for _, d := range w.begun {
			w.send(d)
		}
		w.begun = nil
	}
}

// send is an attempt whose intent is on record: from here on it may have been taken.
func (w *world) send(d *delivery) {
	w.flying = append(w.flying, d)
	h := w.sent[d.ref]
	if w.spec.Ordering != orderNone {
		for _, e := range w.log {
			if ref := e.Ref(); ref < d.ref && wanted(e) && w.keyOf(ref) == w.keyOf(d.ref) && !w.sent[ref].settled {
				w.t.Fatalf("%s is sent while %s, with the same key, is not settled", d.ref, ref)
			}
		}
	}
	allowed := h.last == notSent || h.last == refused && w.spec.Delivery == modeEffectively
	if w.spec.Delivery != modeAtLeast && !allowed {
		w.t.Fatalf("%s is sent again in mode %s, the last attempt being %v", d.ref, w.spec.Delivery, h.last)
	}
}

// outcome ends one attempt.
func (w *world) outcome() {
	if len(w.flying) == 0 {
		return
	}
	i := w.rand.IntN(len(w.flying))
	d := w.flying[i]
	w.flying = slices.Delete(w.flying, i, i+1)
	h := w.sent[d.ref]
	if d.dir == doubtDir {
		known := knowledge(w.rand.IntN(3))
		if w.calm || known != unknown {
			known = unseen
			if h.taken > 0 {
				known = seen
			}
		}
		if known == unseen {
			h.last = notSent // so it is known now
		}
		w.lane.probed(d, known, errTest, w.now)
		return
	}
	o := outcome{verdict: delivered, status: 200}
	if !w.calm {
		o = []outcome{
			{verdict: delivered, status: 200},
			{verdict: notSent, err: errTest},
			{verdict: refused, status: 503, err: errTest},
			{verdict: inDoubt, err: errTest},
			{verdict: refused, status: 404, err: errTest},
		}[w.rand.IntN(5)]
	}
	if o.verdict != notSent {
		h.last = o.verdict
	}
	if o.verdict == delivered || o.verdict == inDoubt && w.rand.IntN(2) == 0 {
		h.taken++
	}
	if !w.calm && w.rand.IntN(20) == 0 { // the holder ends before it takes the outcome in
		w.holdAgain()
		return
	}
	w.lane.ended(d, o, w.now)
}

// end ends the holder now and then, half of the times in good order.
func (w *world) end() {
	if w.rand.IntN(10) > 0 {
		return
	}
	if w.rand.IntN(2) == 0 {
		for _, d := range w.begun {
			w.lane.withdraw(d, w.now)
		}
		w.begun = nil
		w.calm = true
		for i := 0; len(w.flying) > 0 || !w.lane.idle(); i++ {
			w.outcome()
			w.record()
			if w.now = w.now.Add(time.Second); i > 1000 {
				w.t.Fatal("a lane that is to end is never idle")
			}
		}
		w.calm = false
	}
	w.holdAgain()
}

// settle lets everything come to rest.
func (w *world) settle() {
	w.calm = true
	for range 20_000 {
		w.step()
		w.now = w.now.Add(time.Minute)
		rest := w.read == len(w.log) && len(w.lane.queue) == 0 || w.spec.Ordering == orderStrict && w.lane.doubt > 0
		if rest && len(w.lane.due)+len(w.flying) == 0 && w.lane.idle() {
			return
		}
	}
	w.t.Fatalf("never at rest: %d of %d read, %d queued, %d due, %d active", w.read, len(w.log), len(w.lane.queue), len(w.lane.due), len(w.lane.active))
}
