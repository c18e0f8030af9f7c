package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// A store so slow that trust in a lease is over before it is granted: the supervisor must not hear of a deadline that has passed, or
// it would end a process that holds nothing, again and again. When the store is itself again, the node joins.
//
// Seen to fail: with leases taken as granted whenever that was, the supervisor hears of deadlines that passed half a second before.
func TestALeaseGrantedTooLateIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		slow := clustertest.Network{Answer: clustertest.Span{Min: 5500 * time.Millisecond, Max: 5500 * time.Millisecond}}
		n := r.start("a", slow, func(n *rigNode, cfg *cluster.Config) {
			cfg.Guard = func(g cluster.Guarded) {
				if late := n.Clock().Sub(g.Deadline); g.Deadline != 0 && late > 0 {
					t.Errorf("the supervisor hears of a deadline that passed %v ago", late)
				}
			}
		})
		time.Sleep(30 * time.Second)
		n.Adjust(func(net *clustertest.Network) { *net = clustertest.Network{} })
		time.Sleep(40 * time.Second)
		if r.running("a") != 1 {
			t.Errorf("%d resources run, want 1", r.running("a"))
		}
		r.end(n)
	})
}
