package cluster

import (
	"iter"
	"slices"
	"sort"
)

// index keeps the slots in the order of their keys, in runs of some hundred: to add or remove one moves a few kilobytes at most,
// and a page is found without looking at what lies before it, however many there are.
type index struct {
	runs [][]*slot // none is empty
}

// runLength is how long a run may get: 4 KiB of pointers.
const runLength = 512

// find returns the run in which a key lies or belongs, and the place in it of the first slot that doesn't come before the key.
func (x *index) find(k Key) (run, place int) {
	run = max(0, sort.Search(len(x.runs), func(i int) bool { return x.runs[i][0].key.Compare(k) > 0 })-1)
	if run == len(x.runs) {
		return run, 0
	}
	of := x.runs[run]
	return run, sort.Search(len(of), func(i int) bool { return of[i].key.Compare(k) >= 0 })
}

// add puts in a slot whose key is not there.
func (x *index) add(s *slot) {
	at, place := x.find(s.key)
	switch {
	case at == len(x.runs):
		x.runs = append(x.runs, []*slot{s})
		return
	case len(x.runs[at]) < runLength:
	case at == len(x.runs)-1 && place == runLength: // listings come in order: what is full stays so
		x.runs = append(x.runs, append(make([]*slot, 0, runLength), s))
		return
	default:
		of := x.runs[at]
		rest := append(make([]*slot, 0, runLength), of[runLength/2:]...)
		clear(of[runLength/2:])
		x.runs[at] = of[:runLength/2]
		x.runs = slices.Insert(x.runs, at+1, rest)
		at, place = x.find(s.key)
	}
	x.runs[at] = slices.Insert(x.runs[at], place, s)
}

// remove takes a slot out.
func (x *index) remove(s *slot) {
	at, place := x.find(s.key)
	x.runs[at] = slices.Delete(x.runs[at], place, place+1)
	x.join(at)
	x.join(at - 1)
}

// join makes one run of two neighbours that have become short, so that what many slots took up is given back.
func (x *index) join(at int) {
	switch {
	case at < 0:
	case at+1 < len(x.runs) && len(x.runs[at])+len(x.runs[at+1]) <= runLength/2:
		x.runs[at] = append(x.runs[at], x.runs[at+1]...)
		x.runs = slices.Delete(x.runs, at+1, at+2)
	case len(x.runs[at]) == 0:
		x.runs = slices.Delete(x.runs, at, at+1)
	}
}

// after yields the slots whose keys come after one, in order.
func (x *index) after(k Key) iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		at, place := x.find(k)
		for ; at < len(x.runs); at, place = at+1, 0 {
			for _, s := range x.runs[at][place:] {
				if s.key != k && !yield(s) {
					return
				}
			}
		}
	}
}
