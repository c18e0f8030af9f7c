package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A supervisor is told of every lease that may hold something, however many there have been, in a line of bounded length; and of
// few others. Seen to fail with the widest gap closed instead of the narrowest.
func TestSpansCoverAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		numbers := []int{0}
		for range rng.IntN(200) {
			numbers = append(numbers, rng.IntN(1000))
		}
		numbers = append(numbers, 60_000) // far from the others
		most := 2 + rng.IntN(60)
		g := Guarded{Term: 7, Live: spans(slices.Clone(numbers), most)}
		ids := g.Leases()
		if len(g.Live) > most || ids[0] != g.Term.Lease(0) || !slices.IsSorted(ids) || len(ids) > 1001 {
			t.Fatalf("%d spans of %d for %d numbers, %d leases", len(g.Live), most, len(numbers), len(ids))
		}
		for _, n := range numbers {
			if !slices.Contains(ids, g.Term.Lease(n)) {
				t.Fatalf("lease %d is not in %v", n, g.Live)
			}
		}
	}
}

// Words that change places leave out no lease. Seen to fail with the later word taken as it is.
func TestWordsOfAGuardMayChangePlaces(t *testing.T) {
	old := Guarded{Term: 7, Named: 3, Live: []Span{{0, 2}}}
	young := Guarded{Term: 7, Named: 6, Live: []Span{{0, 0}, {4, 5}}}
	for _, c := range []struct {
		words []Guarded
		want  string
	}{
		{[]Guarded{old, young}, "6 [{0 0} {4 5}]"},
		{[]Guarded{young, old}, "6 [{0 2} {3 5}]"},
		{[]Guarded{old, {Term: 8, Named: 1}}, "1 []"},
	} {
		var known Guarded
		for _, g := range c.words {
			known = g.After(known)
		}
		if got := fmt.Sprint(known.Named, " ", known.Live); got != c.want {
			t.Errorf("after %v: %s, want %s", c.words, got, c.want)
		}
	}
}
