package lease

import (
	"context"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// TestAFrozenMemberDoesNotEndALease stops, for as long as a lease lives, first the follower that answers the
// renewals and then the leader. Seen to fail with ask() sending to the first member only.
func TestAFrozenMemberDoesNotEndALease(t *testing.T) {
	etcd := etcdtest.Processes(t, 3)
	s := open(t, etcd.Endpoints())
	const ttl = 6 * time.Second
	ids := []cluster.LeaseID{1 << 16, 1<<16 | 1, 1<<16 | 2}
	for _, id := range ids {
		grant(t, s, id, ttl)
	}
	leader := etcd.Leader()
	follower := (leader + 1) % 3
	s.best.Store(int32(follower))
	longest := gap(t, s, ids, ttl+time.Second, etcd.Members[follower])
	t.Logf("follower frozen: the longest time between renewals was %v", longest)
	if longest > 500*time.Millisecond {
		t.Errorf("a frozen follower cost %v; want milliseconds", longest)
	}
	leader = etcd.Leader()
	s.best.Store(int32(leader))
	longest = gap(t, s, ids, ttl+time.Second, etcd.Members[leader])
	t.Logf("leader frozen: the longest time between renewals was %v", longest)
	if longest > ttl-time.Second {
		t.Errorf("a frozen leader cost %v; want about an election", longest)
	}
}

// gap renews every 100 ms while a member is frozen, and returns the longest time between the instants that two
// acks of one lease were anchored at.
func gap(t *testing.T, s *Store, ids []cluster.LeaseID, long time.Duration, m *etcdtest.Member) (longest time.Duration) {
	t.Helper()
	last := map[cluster.LeaseID]cluster.Instant{}
	round := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := s.Renew(ctx, ids, func(a cluster.Ack) {
			if a.TTL <= 0 {
				t.Fatalf("lease %v is gone", a.Lease)
			}
			if at, ok := last[a.Lease]; ok {
				longest = max(longest, a.SentAt.Sub(at))
			}
			last[a.Lease] = max(a.SentAt, last[a.Lease])
		})
		if err != nil {
			t.Logf("a round: %v", err)
		}
	}
	round()
	m.Stop()
	defer m.WaitReady()
	defer m.Cont()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for end := Boottime().Add(long); Boottime() < end; <-every.C {
		round()
	}
	if len(last) != len(ids) {
		t.Errorf("%d of %d leases were ever renewed", len(last), len(ids))
	}
	return longest
}

// A commit and Follow move on from a frozen member too; the keepalives tell which one answers.
func TestFollowMovesOnFromAFrozenMember(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Processes(t, 3)
	s := open(t, etcd.Endpoints())
	follower := (etcd.Leader() + 1) % 3
	s.best.Store(int32(follower))
	f := follow(t, s)
	f.reaches(commit(t, s, put("claims/a/1")).Rev)
	etcd.Members[follower].Stop()
	defer etcd.Members[follower].Cont()
	began := time.Now()
	grant(t, s, 1<<16, 8*time.Second)
	rev := commit(t, s, put("claims/a/2")).Rev
	told := f.reaches(rev)
	t.Logf("told after %v", time.Since(began))
	if len(told) != 1 || told[0].Path != "claims/a/2" {
		t.Errorf("told of %+v; want the one change, once", told)
	}
}
