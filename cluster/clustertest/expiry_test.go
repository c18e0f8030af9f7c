package clustertest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Broken to see it fail: expiry at 0.8 of the TTL; every delay the longest.
func TestLeasesOfANodeEndInAnyOrderAndNeverEarly(t *testing.T) {
	const ttl, leases = 3 * time.Second, 3
	orders := map[string]int{}
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(seed)
			a := m.Client("a")
			mirror := follow(t, m.Client("b"), m.Now)
			mirror.until("list", func() bool { return true })
			for i := range leases {
				done(t, a, put(path(i), "", grant(t, a, ttl)))
			}
			granted := m.Now()
			order := ""
			for len(order) < leases {
				mirror.until("another expiry", func() bool {
					return len(mirror.deletions(path(0), path(1), path(2))) > len(order)
				})
				for _, r := range mirror.changes[leases+len(order):] {
					order += r.Path[len(r.Path)-1:]
				}
				if lived := m.Now().Sub(granted); lived < ttl || lived > ttl+500*time.Millisecond {
					t.Errorf("a lease of %v ended after %v", ttl, lived)
				}
			}
			orders[order]++
		})
	}
	if len(orders) != 6 {
		t.Errorf("three leases ended in these orders only: %v", orders)
	}
}

// Broken to see it fail: a lease is refreshed though its TTL is over.
func TestRenewalOfAnExpiredLeaseWaitsForItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		m.Adjust(func(s *Settings) { s.ExpiryDelay = Span{Min: 400 * time.Millisecond} })
		a := m.Client("a")
		id := grant(t, a, 2*time.Second)
		time.Sleep(2100 * time.Millisecond)
		done(t, a, put(path(1), "", id)) // as in etcd, the lease still takes keys
		start := m.Now()
		var got cluster.Ack
		if err := a.Renew(t.Context(), []cluster.LeaseID{id}, func(ack cluster.Ack) { got = ack }); err != nil {
			t.Fatal(err)
		}
		if waited := m.Now().Sub(start); got.TTL != 0 || waited != 300*time.Millisecond {
			t.Errorf("acked %v after %v, want 0 after 300ms, when the keys go", got.TTL, waited)
		}
		if _, ok := m.Get(path(1)); ok {
			t.Error("the key outlived the lease")
		}
	})
}

// Broken to see it fail: the lease refreshed all the same.
func TestFalseAck(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		m.Adjust(func(s *Settings) { s.ExpiryDelay, s.FalseAcks = Span{Min: 400 * time.Millisecond}, 1 })
		a := m.Client("a")
		id := grant(t, a, 2*time.Second)
		time.Sleep(2100 * time.Millisecond)
		if err := a.Renew(t.Context(), []cluster.LeaseID{id}, func(ack cluster.Ack) {
			if ack.TTL != 2*time.Second {
				t.Errorf("acked %v, want a whole TTL", ack.TTL)
			}
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if got := m.Leases(); len(got) != 0 {
			t.Errorf("leases are %v; the renewal was not to count", got)
		}
	})
}

// Broken to see it fail: no extension; Election left out; no outage; what waited done as of when it was due.
func TestLeaderChangeGivesEveryLeaseAnotherTTL(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		m.Adjust(func(s *Settings) { s.ExpiryDelay = Span{} })
		a := m.Client("a")
		id := grant(t, a, 5*time.Second)
		time.Sleep(4 * time.Second)
		m.ChangeLeader(2 * time.Second)
		start := m.Now()
		if err := a.Renew(t.Context(), []cluster.LeaseID{anyLease()}, func(cluster.Ack) {}); err != nil {
			t.Fatal(err)
		}
		if waited := m.Now().Sub(start); waited != 2*time.Second {
			t.Errorf("a request during the election took %v, want 2s", waited)
		}
		time.Sleep(6*time.Second - time.Millisecond)
		if got := fmt.Sprint(m.Leases()); got != fmt.Sprint([]cluster.LeaseID{id}) {
			t.Errorf("leases are %v just before TTL and election time have passed", got)
		}
		time.Sleep(time.Millisecond)
		if got := m.Leases(); len(got) != 0 {
			t.Errorf("leases are %v after TTL and election time", got)
		}
	})
}

// Broken to see it fail: no stall.
func TestStalledLeaderDoesNothingAndThenAll(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		m.Adjust(func(s *Settings) { s.ExpiryDelay = Span{} })
		a := m.Client("a")
		id := grant(t, a, 2*time.Second)
		done(t, a, put(path(1), "", id))
		mirror := follow(t, m.Client("b"), m.Now)
		mirror.until("list", func() bool { return true })
		m.Stall(5 * time.Second)
		start := m.Now()
		done(t, a, put(path(2), "", 0))
		mirror.reach(m.Rev())
		if waited := m.Now().Sub(start); waited != 5*time.Second {
			t.Errorf("answered and told after %v, want 5s", waited)
		}
		if mirror.has(path(1)) || !mirror.has(path(2)) {
			t.Errorf("after the stall the range is %v; the lease was to have expired", mirror.records)
		}
	})
}
