package clustertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// bubble runs a test on a new Memory in virtual time.
func bubble(t *testing.T, test func(t *testing.T, m *Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, NewMemory(1)) })
}

// soon is a context that ends after a second.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestOperatorReachesTheStoreDirectly(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		a.Cut(true)
		rev := m.Put(path(1), "one")
		if r, ok := m.Get(path(1)); !ok || string(r.Value) != "one" || r.Rev != rev || m.Rev() != rev {
			t.Errorf("Get found %+v, %t at revision %d after a put at %d", r, ok, m.Rev(), rev)
		}
		m.Put("state/test/1/cursor", "")
		if got := m.List("claims/"); len(got) != 1 || got[0].Path != path(1) {
			t.Errorf("List found %+v", got)
		}
		if !m.Delete(path(1)) || m.Delete(path(1)) {
			t.Error("Delete does not tell whether the key was there")
		}
		a.Cut(false)
		id := grant(t, a, time.Minute)
		done(t, a, put(path(2), "", id))
		if got := m.Leases(); len(got) != 1 || got[0] != id {
			t.Errorf("Leases are %v, want %s", got, id)
		}
		if !m.RevokeLease(id) || m.RevokeLease(id) {
			t.Error("RevokeLease does not tell whether the lease was there")
		}
		if got := m.List("claims/"); len(got) != 0 {
			t.Errorf("after the lease was revoked its keys are %+v", got)
		}
	})
}

// Broken to see it fail: a revision for each request.
func TestOnlyWritesMakeRevisions(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a, before := m.Client("a"), m.Rev()
		id := grant(t, a, time.Minute)
		if err := a.Renew(t.Context(), []cluster.LeaseID{id}, func(cluster.Ack) {}); err != nil {
			t.Fatal(err)
		}
		commit(t, a, cluster.Op{Read: []string{path(1)}}, cluster.Op{Path: path(1), Delete: true})
		m.RevokeLease(id)
		if m.Rev() != before {
			t.Errorf("revision went from %d to %d, though nothing was written", before, m.Rev())
		}
		done(t, a, put(path(1), "", 0), put(path(2), "", 0))
		if m.Rev() != before+1 {
			t.Errorf("two puts in a request made %d revisions", m.Rev()-before)
		}
	})
}

// Broken to see it fail: Full ignored.
func TestFullStoreRefusesPutsAndGrants(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		id := grant(t, a, time.Minute)
		done(t, a, put(path(1), "", id))
		m.Adjust(func(s *Settings) { s.Full = true })
		if _, err := a.Commit(t.Context(), []cluster.Op{put(path(2), "", id)}); !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("a put returned %v, want ErrRefused", err)
		}
		if _, err := a.Grant(t.Context(), anyLease(), time.Minute); !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("a grant returned %v, want ErrRefused", err)
		}
		acked := time.Duration(0)
		if err := a.Renew(t.Context(), []cluster.LeaseID{id}, func(ack cluster.Ack) { acked = ack.TTL }); err != nil || acked == 0 {
			t.Errorf("a renewal returned %v, acked %v", err, acked)
		}
		done(t, a, cluster.Op{Path: path(1), Delete: true})
		if err := a.Revoke(t.Context(), id); err != nil {
			t.Errorf("a revocation returned %v", err)
		}
	})
}

// Broken to see it fail: leases not compared.
func TestRequestsOnSeveralLeasesAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		ops := []cluster.Op{put(path(1), "", grant(t, a, time.Minute)), put(path(2), "", grant(t, a, time.Minute))}
		if _, err := a.Commit(t.Context(), ops); !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("a request on two leases returned %v, want ErrRefused", err)
		}
	})
}

// Broken to see it fail: leases not brought back; no ErrRestored from Follow, from calls.
func TestRestoreBringsBackWhatWas(t *testing.T) {
	bubble(t, func(t *testing.T, m *Memory) {
		a := m.Client("a")
		id := grant(t, a, 5*time.Second)
		done(t, a, put(path(1), "", id))
		snapshot := m.Snapshot()
		m.Put(path(2), "")
		m.RevokeLease(id)
		out, ended := make(chan cluster.Batch), make(chan error)
		go func() { ended <- a.Follow(t.Context(), out) }()
		<-out

		m.Restore(snapshot)
		if err := <-ended; !errors.Is(err, cluster.ErrRestored) {
			t.Errorf("Follow returned %v, want ErrRestored", err)
		}
		if _, err := a.Commit(t.Context(), []cluster.Op{put(path(3), "", 0)}); !errors.Is(err, cluster.ErrRestored) {
			t.Errorf("Commit returned %v, want ErrRestored", err)
		}
		if got := fmt.Sprint(paths(m)); got != fmt.Sprint([]string{path(1), path(3)}) {
			t.Errorf("the restored store holds %s", got)
		}
		mirror := follow(t, a, a.Clock)
		mirror.until("list", func() bool { return true })
		done(t, a, put(path(4), "", 0)) // following anew accepts the store
		time.Sleep(5*time.Second - time.Millisecond)
		if len(m.Leases()) != 1 {
			t.Error("the lease that came back did not last its whole TTL")
		}
		time.Sleep(time.Second)
		if got := fmt.Sprint(paths(m)); got != fmt.Sprint([]string{path(3), path(4)}) {
			t.Errorf("after the lease's TTL the store holds %s", got)
		}
	})
}

// paths lists the claims.
func paths(m *Memory) []string {
	var found []string
	for _, r := range m.List("claims/") {
		found = append(found, r.Path)
	}
	return found
}
