package clustertest

import (
	"errors"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

func testGrant(t *testing.T, c Cluster) {
	s := c.Store("a")
	for _, ttl := range []time.Duration{time.Millisecond, c.TTL, c.TTL + 300*time.Millisecond} {
		granted, err := s.Grant(within(t), anyLease(), ttl)
		if err != nil {
			t.Fatalf("Grant: %v", err)
		}
		if granted < ttl || granted%time.Second != 0 || granted == 0 {
			t.Errorf("asked for %v, granted %v; want at least as much, in whole seconds", ttl, granted)
		}
	}
}

func testRenew(t *testing.T, c Cluster) {
	s := c.Store("a")
	ids := []cluster.LeaseID{anyLease(), anyLease(), anyLease()}
	granted := map[cluster.LeaseID]time.Duration{}
	for i, id := range ids {
		ttl, err := s.Grant(within(t), id, c.TTL+time.Duration(i)*time.Second)
		if err != nil {
			t.Fatalf("Grant: %v", err)
		}
		granted[id] = ttl
	}
	called := c.Clock()
	err := s.Renew(within(t), ids, func(ack cluster.Ack) {
		if now := c.Clock(); ack.SentAt < called || ack.SentAt > now {
			t.Errorf("SentAt is %d; Renew was called at %d and acked at %d", ack.SentAt, called, now)
		}
		if ack.TTL != granted[ack.Lease] {
			t.Errorf("lease %s acked with %v, want %v, once", ack.Lease, ack.TTL, granted[ack.Lease])
		}
		delete(granted, ack.Lease)
	})
	if err != nil || len(granted) > 0 {
		t.Errorf("Renew returned %v before %d leases were acked", err, len(granted))
	}
}

func testRenewed(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := anyLease()
	ttl, err := s.Grant(within(t), id, c.TTL)
	if err != nil {
		t.Fatalf("Grant: %v", err)
	}
	done(t, s, put(path(1), "", id))
	tick := time.NewTicker(ttl / 5)
	defer tick.Stop()
	for end := c.Clock().Add(ttl + ttl/2); c.Clock() < end; <-tick.C {
		if err := s.Renew(within(t), []cluster.LeaseID{id}, func(cluster.Ack) {}); err != nil {
			t.Fatalf("Renew: %v", err)
		}
	}
	if records := read(t, s, path(1)); records[0].Deleted {
		t.Errorf("the key on a renewed lease is gone")
	}
}

func testExpiry(t *testing.T, c Cluster) {
	s := c.Store("a")
	m := follow(t, c.Store("b"), c.Clock)
	id, asked := anyLease(), c.Clock()
	ttl, err := s.Grant(within(t), id, c.TTL)
	if err != nil {
		t.Fatalf("Grant: %v", err)
	}
	m.reach(done(t, s, put(path(1), "", id), put(path(2), "", id), put(path(3), "", id), put(path(4), "", 0)))
	m.until("deletions by expiry", func() bool { return len(m.deletions(path(1), path(2), path(3))) > 0 })
	if lived := c.Clock().Sub(asked); lived < ttl {
		t.Errorf("a lease of %v expired after %v", ttl, lived)
	}
	wantTogether(t, m)
}

// wantTogether fails unless the first three keys were deleted at one revision and the fourth was not.
func wantTogether(t *testing.T, m *mirror) {
	t.Helper()
	d := m.deletions(path(1), path(2), path(3), path(4))
	if len(d) != 3 || d[path(1)] != d[path(2)] || d[path(2)] != d[path(3)] || !m.has(path(4)) {
		t.Errorf("deletions are %v; want the three keys of the lease, at one revision", d)
	}
}

func testRevoke(t *testing.T, c Cluster) {
	s := c.Store("a")
	m := follow(t, c.Store("b"), c.Clock)
	id, other := grant(t, s, timeout), grant(t, s, timeout)
	done(t, s, put(path(1), "", id), put(path(2), "", id), put(path(3), "", id))
	m.reach(done(t, s, put(path(4), "", other)))
	if err := s.Revoke(within(t), id); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	m.until("deletions by revocation", func() bool { return len(m.deletions(path(1), path(2), path(3))) > 0 })
	wantTogether(t, m)
}

func testRenewGone(t *testing.T, c Cluster) {
	s := c.Store("a")
	alive, revoked, unheard := grant(t, s, timeout), grant(t, s, timeout), anyLease()
	if err := s.Revoke(within(t), revoked); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	acked := map[cluster.LeaseID]time.Duration{}
	err := s.Renew(within(t), []cluster.LeaseID{revoked, alive, unheard}, func(ack cluster.Ack) { acked[ack.Lease] = ack.TTL })
	if err != nil || len(acked) != 3 {
		t.Fatalf("Renew of three leases returned %v, acked %v", err, acked)
	}
	if acked[alive] <= 0 || acked[revoked] > 0 || acked[unheard] > 0 {
		t.Errorf("acked %v; want 0 for all but %s", acked, alive)
	}
}

func testRevokeGone(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := grant(t, s, timeout)
	for _, id := range []cluster.LeaseID{id, id, anyLease()} {
		if err := s.Revoke(within(t), id); err != nil {
			t.Errorf("Revoke: %v", err)
		}
	}
	if _, err := s.Commit(within(t), []cluster.Op{put(path(1), "", id)}); !errors.Is(err, cluster.ErrLeaseNotFound) {
		t.Errorf("a put on a revoked lease returned %v, want ErrLeaseNotFound", err)
	}
}
