package webhook

import (
	"encoding/json"
	"testing"
)

// bench is a lane with events e0, e1, … that a test leads by hand; whatever it wants written down is.
type bench struct {
	*world
	fates map[string]string
}

func newBench(t *testing.T, change func(*spec)) *bench {
	b := &bench{world: newWorld(t, 1, change), fates: map[string]string{}}
	b.calm = true
	b.lane.tell = b.note
	for _, e := range b.log[:10] {
		b.lane.take(e, b.keyOf(e.Ref()), b.now)
	}
	return b
}

func (b *bench) note(fate string, d *delivery) {
	b.fates[d.ref] = fate
	b.told(fate, d)
}

// begins returns the refs of what begins now, its intents on record.
func (b *bench) begins() (refs []string) {
	begun, _ := b.lane.begin(b.now)
	b.record()
	for _, d := range begun {
		refs = append(refs, d.ref)
	}
	return refs
}

// ends ends the attempt under way at an event.
func (b *bench) ends(ref string, o outcome) {
	b.t.Helper()
	d := b.lane.active[ref]
	if d == nil {
		b.t.Fatalf("%s is not being sent", ref)
	}
	b.lane.ended(d, o, b.now)
	b.record()
}

// entry returns what is on record of an event, and where.
func (b *bench) entry(ref string) (dir string, e entry) {
	for _, dir := range []string{waitingDir, doubtDir, deadDir} {
		if value, ok := b.ledger[dir+ref]; ok {
			if err := json.Unmarshal(value, &e); err != nil {
				b.t.Fatal(err)
			}
			return dir, e
		}
	}
	return "", e
}

func (b *bench) ref(i int) string { return b.log[i].Ref() }

func alone(s *spec) { s.Concurrency = 1 }
