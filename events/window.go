package events

import "slices"

// Window keeps the first few of many, by an order, in whichever order they come. It holds twice as many at the most.
type Window[T any] struct {
	most    int
	compare func(a, b T) int
	all     []T
	cut     bool // all has the first ones, sorted, up to most
	left    bool
}

// NewWindow returns a window of so many, at least one.
func NewWindow[T any](most int, compare func(a, b T) int) *Window[T] {
	return &Window[T]{most: most, compare: compare}
}

// Add offers one.
func (w *Window[T]) Add(v T) {
	if w.cut && w.compare(v, w.all[w.most-1]) >= 0 {
		w.left = true
		return
	}
	if w.all = append(w.all, v); len(w.all) >= 2*w.most {
		w.trim()
	}
}

func (w *Window[T]) trim() {
	slices.SortFunc(w.all, w.compare)
	if len(w.all) >= w.most {
		w.cut, w.left = true, w.left || len(w.all) > w.most
		clear(w.all[w.most:])
		w.all = w.all[:w.most]
	}
}

// First returns what was kept, sorted, and whether something was left out.
func (w *Window[T]) First() (first []T, more bool) {
	w.trim()
	return w.all, w.left
}
