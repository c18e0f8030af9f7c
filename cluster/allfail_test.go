package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster/clustertest"
)

// Ten thousand resources that all fail cost the store few transactions: a node notes 120 troubles a second at most, in one, and the
// claims that are rewritten for another attempt, which backoff spreads over a minute, share theirs. No node loses its term by it. Seen to
// fail with pauses of a second at most.
func TestTenThousandThatAllFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const resources = 10_000
		r := newRig(t, 0)
		for i := range resources {
			r.memory.Put("resources/x/"+rigKey(i).ID, `{"broken":true}`)
		}
		var all []*rigNode
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, r.start(name, clustertest.Network{}))
		}
		time.Sleep(90 * time.Second) // all have failed often enough for the longest pauses
		terms := map[string]string{}
		for _, n := range all {
			terms[n.name] = r.said(n.name).Term.Lease(0).String()
		}
		before := r.memory.Rev()
		const seconds = 20
		time.Sleep(seconds * time.Second)
		a := (r.memory.Rev() - before) / seconds
		if a > 100 || a == 0 {
			t.Errorf("%d transactions a second; want 100 at most", a)
		}
		t.Logf("%d transactions a second", a)
		for _, n := range all {
			if term := r.said(n.name).Term.Lease(0).String(); term != terms[n.name] {
				t.Errorf("%s has another term", n.name)
			}
		}
		if noted := len(r.troubles()); noted < resources*9/10 {
			t.Errorf("%d of %d are noted", noted, resources)
		}
		r.end(all...)
	})
}
