package httppoll

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/state"
)

// For thousands of polls of lists that come and go, with holders that end at any time, amid a poll too: what was in the list before this one is known,
// whenever that was; what was last listed within the time to live is known while max has room; what is written down is what is known; and
// the store is not filled. Seen to fail with forget in the middle of a poll, without adding again what is old or
// far behind, with only the last segment that was added to written, and without a bound on the time.
func TestWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 25 {
		settings := dedupeSpec{Max: 1 + random.IntN(400), TTL: cluster.Duration(time.Hour)}
		w, stored := newWindow(settings), map[string][]byte{}
		now := time.Unix(1_800_000_000, 0)
		listed := map[uint64]time.Time{} // last
		var before []uint64
		for range 100 {
			now = now.Add(time.Duration(random.IntN(100)) * time.Minute / time.Duration(1+random.IntN(20)))
			known := w.known(now)
			for _, item := range before {
				if _, ok := known[item]; !ok {
					t.Fatalf("an item of the list before is not known (max %d)", settings.Max)
				}
			}
			for item, last := range listed {
				if _, ok := known[item]; !ok && now.Sub(last) < time.Hour && len(listed) < settings.Max/4 {
					t.Fatalf("an item listed %s ago is not known, of %d (max %d)", now.Sub(last), len(listed), settings.Max)
				}
			}
			last := before
			before = nil
			var add []uint64
			first := random.IntN(100)
			for i := range random.IntN(settings.Max/2 + 1) { // less than half
				item := uint64(first + i)
				before = append(before, item)
				if again, ok := known[item]; !ok || again {
					add = append(add, item)
				}
			}
			half := len(add) / 2
			apply(t, stored, w.add(add[:half], now, false))
			ends := random.IntN(8) == 0 // the holder, amid a poll
			if ends {
				before = last
			} else {
				for _, item := range before {
					listed[item] = now
				}
				apply(t, stored, w.add(add[half:], now, true))
			}
			if w.size > 3*settings.Max+fullSegment {
				t.Fatalf("%d are remembered, of %d", w.size, settings.Max)
			}
			anew := newWindow(settings)
			for _, name := range slices.Sorted(maps.Keys(stored)) {
				if err := anew.load(state.Record{Name: name, Value: stored[name]}); err != nil {
					t.Fatal(err)
				}
			}
			if !maps.Equal(anew.known(now), w.known(now)) || anew.size != w.size {
				t.Fatalf("%d are on record, %d are known", anew.size, w.size)
			}
			if ends || random.IntN(4) == 0 {
				w = anew
			}
		}
		apply(t, stored, w.add(nil, now.Add(2*time.Hour), true))
		if w.size > w.full() && len(w.segments) > 1 {
			t.Fatalf("%d are remembered two hours later", w.size)
		}
	}
}

func apply(t *testing.T, stored map[string][]byte, changes []state.Change) {
	t.Helper()
	if len(changes) >= state.MaxChanges {
		t.Fatalf("%d changes at once", len(changes))
	}
	named := map[string]bool{}
	for _, c := range changes {
		if named[c.Name] {
			t.Fatalf("%s is changed twice", c.Name)
		}
		named[c.Name] = true
		if c.Delete {
			delete(stored, c.Name)
			continue
		}
		if len(c.Value) > 8+8*fullSegment {
			t.Fatalf("%d bytes in one value", len(c.Value))
		}
		stored[c.Name] = c.Value
	}
}

// What somebody else has written there is said, not taken for what was seen. Seen to fail without the look at the length.
func TestForeignSegment(t *testing.T) {
	for name, value := range map[string]string{"seen/0000000000000001": "hello", "seen/x": "12345678", "seen/0000000000000003": "123456789", "seen/0000000000000002": ""} {
		if err := newWindow(dedupeSpec{Max: 1}).load(state.Record{Name: name, Value: []byte(value)}); err == nil {
			t.Errorf("%s %q was taken", name, value)
		}
	}
}
