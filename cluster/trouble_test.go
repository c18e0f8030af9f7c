package cluster_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// The pause after a failure goes on when the resource moves, and ends. Seen to fail without an alarm for its end: the resource
// was never run again.
func TestBackoffOfAnEarlierHolderEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		spec, _ := r.memory.Get(cluster.ResourcePath(rigKey(0)))
		status, err := json.Marshal(cluster.Status{
			Node: "b", Epoch: 1, State: "failed", Error: "broken", Attempts: 3,
			NextTry: time.Now().Add(20 * time.Second), SpecRev: spec.Rev,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.memory.Put(cluster.StatusPath(rigKey(0)), string(status))
		a := r.start("a", clustertest.Network{})
		time.Sleep(15 * time.Second)
		if r.running("a") != 0 {
			t.Error("the pause ended with its holder")
		}
		time.Sleep(10 * time.Second)
		if r.running("a") != 1 {
			t.Error("the resource isn't run, though the pause is over")
		}
		r.end(a)
	})
}

// A node whose watch is slow names one intake lease after the other, each once. Seen to fail (a thousand leases, never given
// back) with a new one granted as often as the watch had not told of the last.
func TestIntakeIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4000)
		a := r.start("a", clustertest.Network{})
		time.Sleep(5 * time.Second)
		b := r.start("b", clustertest.Network{Watch: clustertest.Span{Min: time.Second, Max: time.Second}})
		time.Sleep(20 * time.Second)
		if n := r.running("b"); n != 2000 {
			t.Errorf("b runs %d; want 2000", n)
		}
		if n := b.asked("grant"); n > 7 { // to see how long elections take, of the node, for bids, and for each thousand handed over
			t.Errorf("b asked for %d leases", n)
		}
		r.end(a, b)
	})
}

// A leaving node's watch lags: what it has handed over and not seen there yet takes up credit. Seen to fail (thousands on one
// lease, which etcd deletes in one step that stops all else) with credit given back by the answer.
func TestAnIntakeLeaseTakesNoMoreThanItsQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 6000)
		lag := clustertest.Network{Watch: clustertest.Span{Min: 50 * time.Millisecond, Max: 50 * time.Millisecond}}
		a := r.start("a", lag)
		r.await("a", 6000)
		b := r.start("b", lag)
		time.Sleep(time.Second)
		a.leave()
		for r.running("b") < 6000 {
			time.Sleep(5 * time.Millisecond)
			claims := map[cluster.LeaseID]int{}
			for _, claim := range r.memory.List("claims/") {
				claims[claim.Lease]++
				if claims[claim.Lease] > 1000 {
					t.Fatalf("lease %s has more than 1,000 claims", claim.Lease)
				}
			}
		}
		r.end(b)
	})
}

// Seen to fail with revocations tried again at once: 2,000 in a second.
func TestARefusedRevokeIsTriedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 10)
		broken := make(chan struct{})
		a := r.start("a", clustertest.Network{}, func(n *rigNode, _ *cluster.Config) {
			n.refuse = func(op string) error {
				select {
				case <-broken:
				default:
					return nil
				}
				if op != "revoke" {
					return nil
				}
				time.Sleep(time.Millisecond) // in a bubble
				return fmt.Errorf("no permission: %w", cluster.ErrRefused)
			}
		})
		time.Sleep(5 * time.Second)
		close(broken)
		claim, _ := r.memory.Get(cluster.ClaimPath(rigKey(0)))
		r.memory.RevokeLease(claim.Lease)
		time.Sleep(2 * time.Second)
		a.asked("revoke")
		time.Sleep(10 * time.Second)
		if n := a.asked("revoke"); n == 0 || n > 50 {
			t.Errorf("a lease was revoked %d times in 10 s; want each 250 ms", n)
		}
		r.end(a)
	})
}

// Each attempt to join lists everything. Seen to fail with a pause that doesn't grow: 500 listings.
func TestJoiningAFullStoreIsTriedMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 10)
		r.memory.Adjust(func(s *clustertest.Settings) { s.Full = true })
		a := r.start("a", clustertest.Network{})
		time.Sleep(5 * time.Minute)
		if n := a.asked("follow"); n < 30 || n > 120 {
			t.Errorf("the range was listed %d times in five minutes", n)
		}
		r.memory.Adjust(func(s *clustertest.Settings) { s.Full = false })
		time.Sleep(12 * time.Second)
		if n := r.running("a"); n != 10 {
			t.Errorf("a runs %d of 10 when the store has room again", n)
		}
		r.end(a)
	})
}

// An intake lease is granted while the node's key is being deleted: the answer finds the term over. Seen to fail (a nil
// dereference) with the answer acted on.
func TestALeaseGrantedAfterTheEndOfItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 10)
		asked, gate := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var closed atomic.Bool
		a := r.start("a", clustertest.Network{}, func(n *rigNode, _ *cluster.Config) {
			n.granted = func() {
				if closed.Load() {
					once.Do(func() { close(asked) })
					<-gate
				}
			}
		})
		time.Sleep(5 * time.Second)
		closed.Store(true)
		var node cluster.Node
		record, _ := r.memory.Get(cluster.NodePath("a"))
		if err := json.Unmarshal(record.Value, &node); err != nil {
			t.Fatal(err)
		}
		r.memory.RevokeLease(node.Intake.Lease)
		<-asked
		r.memory.Delete(cluster.NodePath("a"))
		time.Sleep(100 * time.Millisecond)
		close(gate)
		time.Sleep(20 * time.Second)
		if n := r.running("a"); n != 10 {
			t.Errorf("a runs %d of 10 in its next term", n)
		}
		r.end(a)
	})
}

// The last good spec goes on when its holder is lost, even when the newest isn't JSON at all. Seen to fail with such a resource
// planned for nobody, and with the last good spec not read.
func TestTheLastGoodSpecOutlivesItsHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		a, b := r.start("a", clustertest.Network{}), r.start("b", clustertest.Network{})
		time.Sleep(5 * time.Second)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), "no JSON")
		r.memory.Put(cluster.ResourcePath(rigKey(1)), "no JSON")
		time.Sleep(5 * time.Second)
		if n := r.running("a") + r.running("b"); n != 2 {
			t.Errorf("%d run on after they were spoilt; want 2", n)
		}
		a.quit()
		time.Sleep(20 * time.Second)
		if n := r.running("b"); n != 2 {
			t.Errorf("b runs %d; want both, by their last good specs", n)
		}
		r.end(b)
	})
}
