package events

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// Seen to fail with a lease granted for each event, and with leases that take any number.
func TestRetentionLeasesAreShared(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	var running sync.WaitGroup
	for range 10 { // publishers that know nothing of each other
		p := NewPublisher(open(t, e.Endpoints()))
		running.Go(func() {
			for range 10 {
				if r := p.Publish(timeout(t), []Event{{Topic: "few"}})[0]; r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
	running.Wait()
	client := etcdtest.Client(t, e.Endpoints())
	if n := count(t, client); n == 0 || n > shared {
		t.Errorf("100 events of 10 publishers are on %d leases; want at most %d", n, shared)
	}
	var many []Event
	for range 3500 {
		many = append(many, Event{Topic: "many"})
	}
	s := open(t, e.Endpoints())
	for _, r := range NewPublisher(s).Publish(timeout(t), many) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	on := map[cluster.LeaseID]int{}
	for _, r := range stored(t, s, "many") {
		on[r.Lease]++
	}
	if n := slices.Max(slices.Collect(maps.Values(on))); n > maxOnLease || len(on) > 6 || on[0] != 0 {
		t.Errorf("3,500 events are on %d leases, %d on one; want at most %d", len(on), n, maxOnLease)
	}
	for id := range on {
		answer, err := client.TimeToLive(timeout(t), clientv3.LeaseID(id))
		if err != nil || answer.GrantedTTL != int64((MaxRetention+bucket)/time.Second) {
			t.Errorf("lease %v: %+v, %v", id, answer, err)
		}
	}
}

func count(t *testing.T, client *clientv3.Client) int {
	t.Helper()
	leases, err := client.Leases(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	return len(leases.Leases)
}

// Seen to fail with commit not forgetting a lease that is gone.
func TestALeaseThatEndedIsReplaced(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	s := open(t, e.Endpoints())
	p := NewPublisher(s)
	p.Publish(timeout(t), []Event{{Topic: "orders"}})
	if err := s.Revoke(timeout(t), p.retention.lease); err != nil {
		t.Fatal(err)
	}
	if r := p.Publish(timeout(t), []Event{{Topic: "orders"}})[0]; r.Err != nil {
		t.Error(r.Err)
	}
	hour := p.retention.lease
	p.retention.now = func() time.Time { return time.Now().Add(bucket) }
	if r := p.Publish(timeout(t), []Event{{Topic: "orders"}})[0]; r.Err != nil || p.retention.lease>>16 == hour>>16 {
		t.Errorf("an hour later: %+v on lease %v after %v", r, p.retention.lease, hour)
	}
}
