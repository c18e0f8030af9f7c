package events

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// Seen to fail with Add comparing with the last but one, and not
// saying that it left something out.
func TestAWindowKeepsTheFirst(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 19, 20, 21, 1000} {
		values := rand.New(rand.NewPCG(1, uint64(n))).Perm(n)
		w := NewWindow(10, cmp.Compare[int])
		for _, v := range values {
			if w.Add(v); cap(w.all) > 64 {
				t.Fatalf("of %d it holds %d", n, cap(w.all))
			}
		}
		first, more := w.First()
		slices.Sort(values)
		if !slices.Equal(first, values[:min(n, 10)]) || more != (n > 10) {
			t.Errorf("of %d it kept %v, more: %v", n, first, more)
		}
		w.Add(n)
		if _, more := w.First(); more != (n >= 10) {
			t.Errorf("of one more than %d, more: %v", n, more)
		}
	}
}
