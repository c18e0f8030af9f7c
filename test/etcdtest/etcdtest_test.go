package etcdtest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

func get(t *testing.T, endpoints []string, within time.Duration) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	r, err := etcdtest.Client(t, endpoints).Get(ctx, "k")
	if err != nil || len(r.Kvs) == 0 {
		return "", err
	}
	return string(r.Kvs[0].Value), nil
}

func put(t *testing.T, endpoints []string) {
	t.Helper()
	if _, err := etcdtest.Client(t, endpoints).Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
}

func TestEmbeddedKeepsDataOverARestart(t *testing.T) {
	s := etcdtest.Start(t)
	put(t, s.Endpoints())
	s.Stop()
	s.Start(t)
	if v, err := get(t, s.Endpoints(), 5*time.Second); v != "v" || err != nil {
		t.Fatalf("after a restart: %q, %v; want v", v, err)
	}
}

func TestProcessesAreKilledStoppedAndRestarted(t *testing.T) {
	c := etcdtest.Processes(t, 3)
	put(t, c.Endpoints())
	follower := c.Members[(c.Leader()+1)%3]

	follower.Stop()
	if _, err := get(t, []string{follower.Endpoint}, 300*time.Millisecond); err == nil {
		t.Fatal("a stopped member answered")
	}
	follower.Cont()
	follower.WaitReady()

	follower.Kill()
	if follower.PID() != 0 {
		t.Fatal("a killed member has a process id")
	}
	follower.Restart()
	follower.WaitReady()
	if v, err := get(t, []string{follower.Endpoint}, 5*time.Second); v != "v" || err != nil {
		t.Fatalf("after a restart: %q, %v; want v", v, err)
	}
}
