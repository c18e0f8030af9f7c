package state

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// within is how long a test waits for what should happen at once: long enough for a loaded machine.
const within = time.Minute

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, endpoints []string, configure ...func(*lease.Config)) *lease.Store {
	t.Helper()
	cfg := lease.Config{Endpoints: endpoints, FreshEvery: 50 * time.Millisecond, RequestTimeout: 30 * time.Second}
	for _, c := range configure {
		c(&cfg)
	}
	s, err := lease.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run runs a book until the test ends.
func run(t testing.TB, s *lease.Store, o Options) *Book {
	t.Helper()
	b := Open(s, o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

// claim puts a claim and returns it as its holder has it.
func claim(t testing.TB, s *lease.Store, id string) cluster.Claim {
	t.Helper()
	k := cluster.Key{Kind: "webhook", ID: id}
	return cluster.Claim{Key: k, Epoch: commit(t, s, cluster.Op{Path: cluster.ClaimPath(k), Value: []byte(`{"node":"a"}`)}).Rev}
}

func commit(t testing.TB, s *lease.Store, ops ...cluster.Op) cluster.Answer {
	t.Helper()
	a, err := s.Commit(timeout(t), ops)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// kept returns what is kept of a resource.
func kept(t testing.TB, s *lease.Store, k cluster.Key) map[string]string {
	t.Helper()
	records, err := Load(timeout(t), s, k)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range records {
		found[r.Name] = string(r.Value)
	}
	return found
}

func put(name, value string) Change { return Change{Name: name, Value: []byte(value)} }
