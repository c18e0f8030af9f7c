package trim

import (
	"sort"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// ages tells how old at least what lies in the store is, without asking any wall clock. It counts the time for which the resource was held,
// whoever held it, and marks which revision the store had reached at which count: what is at or below the revision of a mark
// was there by then. Time that nobody counted, between two holders, makes nothing older.
type ages struct {
	Counted cluster.Duration `json:"counted"`
	Marks   []mark           `json:"marks"` // oldest first
}

// mark says that the store was at a revision when so much time had been counted.
type mark struct {
	At  cluster.Duration `json:"at"`
	Rev int64            `json:"rev,string"`
}

// marksPer is how many marks there are in the time of either retention: so much more than its time, in parts, an event may stay.
const marksPer = 100

// mark notes that the store is at a revision now, if the last mark is old enough, and tells whether it was noted.
func (a *ages) mark(rev int64, s *spec) bool {
	if n := len(a.Marks); n > 0 && a.Counted-a.Marks[n-1].At < max(s.Retention/marksPer, s.Every) {
		return false
	}
	a.Marks = append(a.Marks, mark{a.Counted, rev})
	a.thin(s)
	return true
}

// thin forgets marks that nothing needs: of those that are too old for anything to be older all but the last, and of those past
// the retention all but some.
func (a *ages) thin(s *spec) {
	last := len(a.Marks) - 1
	var kept []mark
	for i, m := range a.Marks[:last] {
		next := a.Counted - a.Marks[i+1].At // the age that is told without this mark
		near := len(kept) > 0 && m.At-kept[len(kept)-1].At < s.MaxRetention/marksPer
		if next < s.Retention || next < s.MaxRetention && !near {
			kept = append(kept, m)
		}
	}
	a.Marks = append(kept, a.Marks[last])
}

// before returns a revision such that everything at or below it has lain in the store for so long; 0 if that can't be said of any.
func (a *ages) before(age time.Duration) int64 {
	n := sort.Search(len(a.Marks), func(i int) bool { return time.Duration(a.Counted-a.Marks[i].At) < age })
	if n == 0 {
		return 0
	}
	return a.Marks[n-1].Rev
}

// forget forgets marks above a revision: they are of another store, from which these keys were copied.
func (a *ages) forget(above int64) {
	n := sort.Search(len(a.Marks), func(i int) bool { return a.Marks[i].Rev > above })
	a.Marks = a.Marks[:n]
}
