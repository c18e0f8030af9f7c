//go:build linux

package campaign

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// op is an operation of a history that is written by hand: from one time to another.
func op(call, back cluster.Instant, w write, o outcome, rev int64) *operation {
	return &operation{by: "n", call: call, back: back, write: w, outcome: o, rev: rev}
}

func (o *operation) saw(rev int64, on cluster.LeaseID) *operation {
	o.found = found{rev, on}
	return o
}

// What can have happened passes, and what can't is told.
func TestLinearizable(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []*operation
		want bool
	}{
		"a claim, a hand-off, a release": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, 4, write{20, 5}, done, 6), op(5, 6, write{0, 6}, done, 7),
		}, true},
		"a bid that was lost": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(1, 3, write{20, 0}, undone, 0).saw(5, 10),
		}, true},
		"two bids won": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(1, 3, write{20, 0}, done, 6),
		}, false},
		"a claim is won again when its lease has expired": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(0, 9, write{10, 5}, vanished, 6), op(3, 4, write{20, 0}, done, 7),
		}, true},
		"it expired before it was won": {[]*operation{
			op(5, 6, write{10, 0}, done, 5), op(0, 4, write{10, 5}, vanished, 6),
		}, false},
		"it was seen to be there after it had been won by somebody else": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, 4, write{20, 5}, done, 6), op(5, 6, write{30, 0}, undone, 0).saw(5, 10),
		}, false},
		"a write on an epoch that is over": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, 4, write{20, 5}, done, 6), op(5, 6, write{30, 5}, done, 7),
		}, false},
		"a guard held and the write was not made": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, 4, write{20, 5}, undone, 0).saw(5, 10),
		}, false},
		"a write without an answer was done late": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, never, write{20, 5}, unknown, 0), op(9, 10, write{30, 8}, done, 9),
		}, true},
		"a write without an answer was never done": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, never, write{20, 5}, unknown, 0), op(9, 10, write{30, 5}, done, 9),
		}, true},
		"a write without an answer was done before it was asked for": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(9, never, write{20, 5}, unknown, 0), op(3, 4, write{30, 8}, done, 9),
		}, false},
		"a revision went back": {[]*operation{
			op(1, 2, write{10, 0}, done, 5), op(3, 4, write{20, 5}, done, 4),
		}, false},
	} {
		if err := linearizable("r", c.ops); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What nodes say and what etcd tells are brought together.
func TestEveryChangeIsAccountedFor(t *testing.T) {
	put := func(rev, version int64, on cluster.LeaseID) change {
		return change{rev: rev, version: version, lease: on}
	}
	for name, c := range map[string]struct {
		ops     []*operation
		changes []change
		want    string // "": all is well
		vanish  int    // operations that are made of changes
	}{
		"all is known": {
			[]*operation{op(1, 2, write{10, 0}, done, 5), op(3, 4, write{0, 5}, done, 6)},
			[]change{put(5, 1, 10), {rev: 6}},
			"", 0,
		},
		"it went with its lease": {
			[]*operation{op(1, 2, write{10, 0}, done, 5)}, []change{put(5, 1, 10), {rev: 6, seen: 9}}, "", 1,
		},
		"without an answer": {[]*operation{op(1, never, write{10, 0}, unknown, 0)}, []change{put(5, 1, 10)}, "", 0},
		"by nobody":         {nil, []change{put(5, 1, 10)}, "nobody says so", 0},
		"lost":              {[]*operation{op(1, 2, write{10, 0}, done, 5)}, nil, "etcd knows of no change", 0},
		"elsewhere":         {[]*operation{op(1, 2, write{10, 0}, done, 5)}, []change{put(5, 1, 11)}, "it is on lease b", 0},
		"not seen by us": {
			[]*operation{op(1, 2, write{10, 0}, done, 5), op(1, 2, write{10, 7}, done, 8)},
			[]change{put(5, 1, 10), put(8, 3, 10)},
			"the campaign's own watch", 0,
		},
	} {
		ops, errs := accountFor("r", c.ops, c.changes)
		if len(errs) > 1 || (len(errs) == 1) != (c.want != "") || len(errs) == 1 && !strings.Contains(errs[0].Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, errs, c.want)
		}
		if len(ops)-len(c.ops) != c.vanish {
			t.Errorf("%s: %d operations were added, want %d", name, len(ops)-len(c.ops), c.vanish)
		}
	}
}
