package cluster_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// A store whose elections take long may honour renewals of a leader that was deposed long before. It grants the TTL that is asked for
// all the same when that is long enough, so a node finds out otherwise and leaves more margin. Seen to fail with the shortest lease not
// asked for.
func TestALongElectionTimeoutIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		const election = 5 * time.Second
		r.memory.Adjust(func(s *clustertest.Settings) { s.MinTTL = election * 3 / 2 })
		var ttl, margin atomic.Int64
		a := r.start("a", clustertest.Network{}, func(_ *rigNode, c *cluster.Config) {
			c.TTL = 8 * time.Second
			c.Observe = func(e cluster.Event) {
				if e.Type == cluster.TermStarted {
					ttl.Store(int64(e.TTL))
					margin.Store(int64(e.Margin))
				}
			}
		})
		time.Sleep(10 * time.Second)
		if got := time.Duration(ttl.Load()); got <= 8*time.Second {
			t.Errorf("the TTL is %v, which leaves nothing after the margin", got)
		}
		if got := time.Duration(margin.Load()); got < 2*election+time.Second {
			t.Errorf("the margin is %v; want two elections of %v and the stop budget", got, election)
		}
		if n := len(r.memory.Leases()); n > 3 {
			t.Errorf("%d leases are left; want that of the node, one for bids and one for what others hand over", n)
		}
		r.end(a)
	})
}
