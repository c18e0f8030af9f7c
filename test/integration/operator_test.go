//go:build linux

package integration

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
)

// revoke revokes a lease as "etcdctl lease revoke" does.
func (w *world) revoke(lease cluster.LeaseID) {
	w.t.Helper()
	_, err := w.Client.Revoke(w.ctx, clientv3.LeaseID(lease))
	w.must(err)
}

// The claims on a revoked lease vanish while their holder lives: it must stop at once, and nobody may bid until it has surely.
func TestClaimLeaseRevoked(t *testing.T) {
	w := onEtcd(t, 3, 100)
	lost := w.heldBy("n1")
	claims, err := w.Claims(w.ctx)
	w.must(err)
	lease := claims[key(lost[0].Resource)].Lease
	on := lost[:0]
	for _, c := range lost {
		if claims[key(c.Resource)].Lease == lease {
			on = append(on, c)
		}
	}
	at := time.Now()
	w.revoke(lease)
	w.reopened(on, 100, at)
	t.Logf("%d claims were on the lease", len(on))
}

// With its node lease a node loses its term. Its claims stand until it has stopped everything and revoked them itself.
func TestNodeLeaseRevoked(t *testing.T) {
	w := onEtcd(t, 3, 100)
	victim := w.node(0)
	lost := w.heldBy(victim.ID)
	response, err := w.Client.Get(w.ctx, w.Prefix+cluster.NodePath(victim.ID))
	w.must(err)
	at := time.Now()
	w.revoke(cluster.LeaseID(response.Kvs[0].Lease))
	w.reopened(lost, 100, at)
	w.balanced(3, 100) // it is back, as the same process
	if !victim.Worker.Running() {
		t.Errorf("node %s has ended", victim.ID)
	}
}

func TestClaimDeleted(t *testing.T) {
	w := onEtcd(t, 3, 30)
	at := time.Now()
	victim := w.rec.Record().Conns[0]
	w.must(w.Delete(w.ctx, cluster.ClaimPath(key(victim.Resource))))
	w.eventually("the reason is shown", func() (bool, string) {
		info := w.ask(w.node(1))
		return info.Pending[cluster.UnheldDeleted].Count == 1, fmt.Sprintf("%+v", info.Pending)
	})
	w.reopened(w.rec.Record().Of(victim.Resource)[:1], 30, at)
	if anew := len(w.rec.Record().Conns) - 30; anew != 1 {
		t.Errorf("%d connections were opened anew, want 1", anew)
	}
	if gap := w.rec.Record().Gaps(at)[0].Length; gap < ttl/2 {
		t.Errorf("it was bid for after %v, when its holder might not have stopped yet", gap)
	}
}

// A cordoned node keeps what it has and is given nothing.
func TestCordon(t *testing.T) {
	w := onEtcd(t, 3, 30)
	w.balanced(3, 30)
	w.must(w.Put(w.ctx, cluster.CordonPath("n1"), "disk to be replaced"))
	w.eventually("every node knows", func() (bool, string) {
		for _, n := range w.Nodes() {
			if w.state(n.ID, "n1") != "cordoned" {
				return false, n.ID
			}
		}
		return true, ""
	})
	at := time.Now()
	w.putResources(30, 90)
	w.allHeld(90)
	held, err := w.Held(w.ctx)
	w.must(err)
	if held["n1"] != 10 || held["n2"]+held["n3"] != 80 {
		t.Errorf("held: %v; want 10 on n1 as before and 80 on the others", held)
	}
	w.must(w.Delete(w.ctx, cluster.CordonPath("n1")))
	w.balanced(3, 90)
	w.logGaps(at)
}

// state returns how a node is, as another one sees it.
func (w *world) state(asked, about string) string {
	w.t.Helper()
	for _, n := range w.Nodes() {
		if n.ID != asked {
			continue
		}
		info := w.ask(n)
		for _, seen := range info.Nodes {
			if seen.ID == about {
				return seen.State
			}
		}
	}
	return ""
}
