package cluster

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"
	"time"
)

// Why a resource is to move, for people.
const (
	whyEven  = "evens out the load"
	whyBack  = "goes back to where it was before that node left"
	whyStray = "belongs there by what it requires or prefers"
)

// choose picks resources for the flows, as far as the receivers give credit: those that came
// from a receiver as it left, then what was moved once already, then the heaviest that fit, and of those the ones held longest, so that
// what moved lately stays.
func (v *view) choose(me *peer, flows []flow, limit int, now Instant, lend func(*peer) int, may func(*slot) bool) []transfer {
	for s, at := range v.calm.moved {
		if now.Sub(at) >= cooldown || s.holder != me {
			delete(v.calm.moved, s)
		}
	}
	credit := map[*peer]int{}
	for _, f := range flows {
		credit[f.to] = lend(f.to)
	}
	for _, to := range v.calm.moving {
		credit[to]--
	}
	var moves []transfer
	for s := range v.byStay(me, flows, now) {
		if len(moves) == limit || !slices.ContainsFunc(flows, func(f flow) bool { return f.weight > 0 && credit[f.to] > 0 }) {
			break
		}
		_, cooling := v.calm.moved[s]
		if _, moving := v.calm.moving[s]; moving || !s.live() || !may(s) {
			continue
		}
		f := goal(s, flows, credit, cooling)
		if f == nil {
			continue
		}
		f.weight -= int64(s.weight)
		credit[f.to]--
		v.calm.moving[s] = f.to
		why := f.why
		if s.from(f.to) {
			why = whyBack
		}
		moves = append(moves, transfer{s, f.to, why})
	}
	return moves
}

// goal returns the flow that a resource is to go with, nil when it stays. One that goes back to where it came from need not cool
// down, and goes nowhere else while it can.
func goal(s *slot, flows []flow, credit map[*peer]int, cooling bool) (with *flow) {
	for i := range flows {
		f := &flows[i]
		switch {
		case int64(s.weight) > f.weight || f.class != nil && f.class != s.class || !f.to.can(s.class):
		case credit[f.to] <= 0:
		case s.from(f.to):
			return f
		case with == nil && !cooling:
			with = f
		}
	}
	return with
}

// byStay yields what a node holds, what to give away first at first: the heaviest, and of those the ones held longest. When
// all weigh the same, that is the order in which they came to this node, and they are listed in it. To sort a hundred thousand for the sake of a few hundred took longer
// than to move those; even to heap them is done only for a quarter of the time.
//
// Guests come first: those that a receiver had before it left, since nothing moves again for them, then other nodes', which have moved
// once and settle with the second time. So a rolling restart moves nothing more than twice.
func (v *view) byStay(me *peer, flows []flow, now Instant) iter.Seq[*slot] {
	if me.guests > 0 {
		v.calm.again = now.Add(4 * planCost * time.Duration(me.held.n))
		return func(yield func(*slot) bool) {
			for _, s := range guests(me, flows) {
				if !yield(s) {
					return
				}
			}
			v.hosts(me, now)(yield)
		}
	}
	return v.hosts(me, now)
}

// guests returns what a node holds that has an origin, those first that go with a flow to theirs.
func guests(me *peer, flows []flow) []*slot {
	var back, other []*slot
	for s := range me.held.all() {
		switch {
		case s.origin == 0:
		case slices.ContainsFunc(flows, func(f flow) bool { return s.from(f.to) }):
			back = append(back, s)
		default:
			other = append(other, s)
		}
	}
	return append(back, other...)
}

// hosts is byStay without regard to origins.
func (v *view) hosts(me *peer, now Instant) iter.Seq[*slot] {
	if len(v.weights) <= 1 && me.id == v.self {
		return me.held.all()
	}
	v.calm.again = now.Add(4 * planCost * time.Duration(me.held.n))
	own := make(heaviest, 0, me.held.n)
	for s := range me.held.all() {
		own = append(own, s)
	}
	heap.Init(&own)
	return func(yield func(*slot) bool) {
		for len(own) > 0 && yield(heap.Pop(&own).(*slot)) {
		}
	}
}

// heaviest is a heap.
type heaviest []*slot

func (h heaviest) Len() int      { return len(h) }
func (h heaviest) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h heaviest) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[j].weight, h[i].weight), cmp.Compare(h[i].claim, h[j].claim), h[i].key.Compare(h[j].key)) < 0
}

// Push is for package heap.
func (h *heaviest) Push(x any) { *h = append(*h, x.(*slot)) }

// Pop is for package heap.
func (h *heaviest) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	*h = (*h)[:last]
	return s
}
