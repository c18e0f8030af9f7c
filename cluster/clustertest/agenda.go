package clustertest

import (
	"container/heap"
	"math"

	"github.com/drm-cluster/drm/cluster"
)

// never is later than everything.
const never = cluster.Instant(math.MaxInt64)

// agenda is what will happen in the store, by time and, at the same time, in the order in which it was scheduled.
type agenda struct {
	items []item
	count int
}

type item struct {
	due cluster.Instant
	n   int
	do  func(at cluster.Instant)
}

func (a *agenda) add(due cluster.Instant, do func(at cluster.Instant)) {
	a.count++
	heap.Push(a, item{due: due, n: a.count, do: do})
}

// next tells when the first item is due.
func (a *agenda) next() cluster.Instant {
	if len(a.items) == 0 {
		return never
	}
	return a.items[0].due
}

func (a *agenda) take() item { return heap.Pop(a).(item) }

// Len, Less, Swap, Push and Pop are for package heap.
func (a *agenda) Len() int { return len(a.items) }

func (a *agenda) Less(i, j int) bool {
	x, y := a.items[i], a.items[j]
	return x.due < y.due || x.due == y.due && x.n < y.n
}

func (a *agenda) Swap(i, j int) { a.items[i], a.items[j] = a.items[j], a.items[i] }

func (a *agenda) Push(x any) { a.items = append(a.items, x.(item)) }

func (a *agenda) Pop() any {
	last := a.items[len(a.items)-1]
	a.items[len(a.items)-1] = item{} // what it closes over can be freed
	a.items = a.items[:len(a.items)-1]
	return last
}
