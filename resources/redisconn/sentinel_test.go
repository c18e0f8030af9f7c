package redisconn_test

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/test/redistest"
)

// Of the sentinels one is gone and one knows nothing; the third says where the master is. After a failover it names the other
// server. Seen to fail with the first sentinel alone asked.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Start(t)
	replica.Follow(master)
	sentinel := redistest.StartSentinel(t, "main", master)
	other := redistest.Start(t)
	spec := func(name string) string {
		return `{"url": "redis:///2", "sentinel": {"master": "` + name + `", "addrs": ["127.0.0.1:1", "` + other.Addr + `", "` + sentinel.Addr + `"]}}`
	}
	conn, err := local.Dial(t.Context(), target(t, spec("main")), answer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Addr != master.Addr {
		t.Errorf("connected to %s, want %s", conn.Addr, master.Addr)
	}
	_, err = local.Dial(t.Context(), target(t, spec("mian")), answer)
	if err == nil || !strings.Contains(err.Error(), "it knows no such master; see sentinel.master") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("asked for an unknown master: %v", err)
	}
}

// A sentinel that has not yet heard of a failover names a server that is a replica by now. Seen to fail without the question
// for its role.
func TestSentinelIsBehind(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Start(t)
	replica.Follow(master)
	sentinel := redistest.StartSentinel(t, "main", master)
	master.Follow(replica) // behind its back
	text := `{"url": "redis:///", "sentinel": {"master": "main", "addrs": ["` + sentinel.Addr + `"]}}`
	if _, err := local.Dial(t.Context(), target(t, text), answer); err == nil || !strings.Contains(err.Error(), `calls itself "slave"`) {
		t.Errorf("error %v", err)
	}
	if code := redisconn.Code(nil); code != "" {
		t.Errorf("no error has the code %q", code)
	}
}
