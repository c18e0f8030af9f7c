package cluster_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// A node that hears late of what happens bids little at a time, or it would hear later and later and in the end let go of all
// that it has; and it bids all the same, or what it is to have would be held by nobody. Seen to fail with behind never true (all was
// bid for within a second), and with no bids at all while behind.
func TestANodeThatIsBehindBidsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const resources = 1000
		r := newRig(t, 0)
		var mu sync.Mutex
		var most, burst int
		var began time.Time
		late := clustertest.Network{Watch: clustertest.Span{Min: 3 * time.Second, Max: 3 * time.Second}}
		node := r.start("a", late, func(_ *rigNode, cfg *cluster.Config) {
			cfg.Observe = func(e cluster.Event) {
				if e.Type != cluster.BidsSent {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if e.Time.Sub(began) >= time.Second {
					began, burst = e.Time, 0
				}
				burst += e.Count
				most = max(most, burst)
			}
		})
		time.Sleep(10 * time.Second) // what it listed was fresh
		for i := range resources {
			r.memory.Put(cluster.ResourcePath(rigKey(i)), "{}")
		}
		time.Sleep(30 * time.Second)
		if n := r.running("a"); n != resources {
			t.Errorf("%d of %d resources run after 30 s", n, resources)
		}
		r.end(node)
		if most > 2*cluster.MaxCommit {
			t.Errorf("%d bids within a second from a node that is 3 s behind", most)
		}
	})
}
