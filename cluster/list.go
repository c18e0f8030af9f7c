package cluster

import (
	"iter"
	"math"
)

// list is a queue of slots, each of which is on one list at most: what joined it first comes first.
type list struct {
	first, last *slot
	n           int
	floor       Instant // no slot on the list has been without a holder for longer than since this
}

// push puts a slot at the end, taking it off the list it was on.
func (l *list) push(s *slot) {
	s.unlist()
	s.on, s.prev = l, l.last
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
	if l.n == 0 || s.since < l.floor {
		l.floor = s.since
	}
	l.n++
}

// unlist takes a slot off the list that it is on, if any.
func (s *slot) unlist() {
	l := s.on
	if l == nil {
		return
	}
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.on, s.prev, s.next = nil, nil, nil
	l.n--
}

// all yields the slots in order. The one yielded may be moved to another list meanwhile.
func (l *list) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for s := l.first; s != nil; {
			next := s.next
			if !yield(s) {
				return
			}
			s = next
		}
	}
}

// oldest returns since when the slot that has been longest without a holder has been so. It looks no further than the
// first one that is as old as any can be, so that a million of the same age cost one step.
func (l *list) oldest() Instant {
	least := Instant(math.MaxInt64)
	for s := range l.all() {
		least = min(least, s.since)
		if least <= l.floor {
			break
		}
	}
	l.floor = least
	return least
}
