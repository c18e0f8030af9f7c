package cluster

import (
	"cmp"
	"container/heap"
	"iter"
	"time"
)

// byStay yields what a node holds, what to give away first at first: the heaviest, and of those the ones held longest. When
// all weigh the same, that is the order in which they came to this node, and they are listed in it. To sort a hundred thousand for the sake of a few hundred took longer
// than to move those; even to heap them is done only for a quarter of the time.
func (v *view) byStay(me *peer, now Instant) iter.Seq[*slot] {
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
