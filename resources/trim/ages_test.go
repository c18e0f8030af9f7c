package trim

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Whatever is said of the age of a revision, it is at least so old, and not said to be much younger. Seen to fail with before taking the
// mark after, with thin forgetting the last mark of those past the retention, and (too many marks) with thin doing nothing.
func TestNothingIsTakenForOlderThanItIs(t *testing.T) {
	for _, retention := range []time.Duration{0, time.Hour, 10 * time.Hour} {
		s := defaults()
		s.Retention, s.MaxRetention, s.Every = cluster.Duration(retention), cluster.Duration(10*time.Hour), cluster.Duration(time.Minute)
		random := rand.New(rand.NewPCG(1, 2))
		var a ages
		var written []time.Duration // of each revision, by the time passed
		for range 5000 {
			for range random.IntN(3) {
				written = append(written, time.Duration(a.Counted))
			}
			a.mark(int64(len(written)), &s)
			if len(a.Marks) > 3*marksPer {
				t.Fatalf("there are %d marks", len(a.Marks))
			}
			slack := max(s.Retention/marksPer, s.Every) + 4*s.Every // there is a look every two minutes at the most
			a.judge(t, written, s.Retention, slack)
			a.judge(t, written, s.MaxRetention, slack+s.MaxRetention/marksPer)
			a.Counted += cluster.Duration(random.Int64N(int64(2 * time.Minute)))
		}
	}
}

// judge looks at what is said to be of an age: it is, and what is older by more than some slack is said to be.
func (a *ages) judge(t *testing.T, written []time.Duration, age, slack cluster.Duration) {
	t.Helper()
	old := func(rev int) time.Duration { return time.Duration(a.Counted) - written[rev] }
	rev := int(a.before(time.Duration(age)))
	if rev > 0 && old(rev-1) < time.Duration(age) {
		t.Fatalf("revision %d is taken for %v old; it is %v", rev, time.Duration(age), old(rev-1))
	}
	if rev < len(written) && old(rev) > time.Duration(age+slack) {
		t.Fatalf("revision %d is %v old, and not taken for %v", rev+1, old(rev), time.Duration(age))
	}
}

// A wall clock that is stepped makes nothing older: here by a quarter of a century, for in the bubble it is the year 2000, as it may be on the
// node that held the resource before. Seen to fail with marks that have the time of the wall clock.
func TestAWallClockMakesNothingOlder(t *testing.T) {
	r := newRig(t)
	rev := r.publish("a", 1, 1)
	h := r.hold(short)
	synctest.Test(t, func(*testing.T) { h.ages.mark(rev, h.spec) })
	r.now = r.now.Add(time.Second)
	if err := h.keep(); err != nil {
		t.Fatal(err)
	}
	h = r.hold(short)
	r.after(59*time.Minute, h)
	r.want("a/e000001")
	r.after(time.Minute, h)
	r.want()
}

// What a holder has counted counts for the next one, and what nobody has counted doesn't. Seen to fail with keep writing nothing down, and
// with open beginning with the count of marks alone.
func TestTheNextHolderGoesOnCounting(t *testing.T) {
	r := newRig(t)
	r.publish("a", 1, 1)
	h := r.hold(short)
	r.after(0, h)
	r.now = r.now.Add(40 * time.Minute)
	if err := h.keep(); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(240 * time.Hour) // nobody holds it
	h = r.hold(short)
	r.after(19*time.Minute, h)
	r.want("a/e000001")
	r.after(time.Minute, h)
	r.want()
}

// Keys may be copied to another store, whose revisions begin anew. Seen to fail with open not forgetting.
func TestMarksOfAnotherStoreCountForNothing(t *testing.T) {
	r := newRig(t)
	value, err := json.Marshal(ages{Counted: cluster.Duration(100 * time.Hour), Marks: []mark{{At: 0, Rev: 1_000_000}}})
	if err != nil {
		t.Fatal(err)
	}
	r.put(cluster.StatePath(Key, agesName), string(value))
	r.publish("a", 1, 1)
	h := r.hold(short)
	r.after(time.Minute, h)
	r.want("a/e000001")
}
