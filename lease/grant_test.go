package lease

import (
	"errors"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestGrantAndRevoke(t *testing.T) {
	s := open(t, etcdtest.Start(t).Endpoints())
	const id = cluster.LeaseID(0x1234_5678_9abc_0001)
	granted, err := s.Grant(timeout(t), id, 1500*time.Millisecond)
	if err != nil || granted != 2*time.Second {
		t.Fatalf("granted %v, %v; want 2s, rounded up", granted, err)
	}
	if _, err := s.Grant(timeout(t), id, time.Second); !errors.Is(err, cluster.ErrRefused) {
		t.Errorf("granting another's id: %v; want it refused", err)
	}
	op := put("claims/a/1")
	op.Lease = id
	commit(t, s, op)
	for range 2 {
		if err := s.Revoke(timeout(t), id); err != nil {
			t.Fatalf("revoke: %v; a lease that is gone is no error", err)
		}
	}
	if r := commit(t, s, cluster.Op{Read: []string{"claims/a/1"}}).Results[0]; !r.Read[0].Deleted {
		t.Error("a claim survived its lease")
	}
}

// Seen to fail with grantedBefore never called: "lease already exists".
func TestGrantWhoseAnswerWasLostIsNoError(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	p := newProxy(t, e.Endpoint)
	s := open(t, []string{p.Endpoint, e.Endpoint})
	commit(t, s, put("claims/a/1")) // Both ends are connected now.
	p.deaf.Store(true)
	granted, err := s.Grant(timeout(t), 7<<16, 9*time.Second)
	if err != nil || granted != 9*time.Second {
		t.Fatalf("granted %v, %v; want 9s", granted, err)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, etcdtest.Start(t).Endpoints())
	f := follow(t, s)
	f.complete()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for f.stop != nil {
		select {
		case <-f.batches:
		case err := <-f.end:
			if !errors.Is(err, ErrClosed) {
				t.Errorf("Follow ended with %v", err)
			}
			f.stop = nil
		}
	}
	_, grantErr := s.Grant(timeout(t), 1<<16, time.Second)
	_, commitErr := s.Commit(timeout(t), []cluster.Op{put("claims/a/1")})
	renewErr := s.Renew(timeout(t), []cluster.LeaseID{1}, func(cluster.Ack) {})
	for _, err := range []error{grantErr, commitErr, renewErr} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%v; want %v", err, ErrClosed)
		}
	}
}
