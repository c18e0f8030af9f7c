package cluster

import "container/heap"

// alarm has a hold looked at at a time. One that is no longer needed does no harm.
type alarm struct {
	at   Instant
	hold *hold
}

// alarms is a heap, the earliest first.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is for package heap; use add.
func (a *alarms) Push(x any) { *a = append(*a, x.(alarm)) }

// Pop is for package heap; use due.
func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = alarm{}
	*a = (*a)[:last]
	return x
}

func (a *alarms) add(x alarm) { heap.Push(a, x) }

// due takes the earliest alarm if its time has come.
func (a *alarms) due(now Instant) (*hold, bool) {
	if len(*a) == 0 || (*a)[0].at > now {
		return nil, false
	}
	return heap.Pop(a).(alarm).hold, true
}

// ring has settle called for what is due.
func (l *Loop) ring(now Instant) {
	for h, ok := l.alarms.due(now); ok; h, ok = l.alarms.due(now) {
		if l.holds[h.key] == h {
			l.touch(h)
		}
	}
}
