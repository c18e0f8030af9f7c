//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// The second of two processes with one node id refuses, and says where the first one is; the first isn't disturbed.
func TestOneIDTwice(t *testing.T) {
	w := onEtcd(t, 1, 10)
	first := w.node(0)
	second := w.launch(first.ID)
	code, err := second.End(w.ctx)
	w.must(err)
	if code == 0 || code > 128 || !strings.Contains(second.Log(), first.Address) {
		t.Errorf("the second ended with code %d; want an error that names %s\n%s", code, first.Address, second.Tail())
	}
	w.proveAlive(10, 15)
	if r := w.rec.Record(); len(r.Conns) != 15 {
		t.Errorf("there were %d connections, want 15: the first was disturbed", len(r.Conns))
	}
}

func TestUnreachableEtcd(t *testing.T) {
	etcd := etcdtest.Processes(t, 1)
	etcd.Members[0].Kill()
	w := newWorld(t, etcd.Endpoints())
	n := w.launch("n1")
	w.left(n, 69)
	if !strings.Contains(n.Log(), strings.TrimPrefix(etcd.Members[0].Endpoint, "http://")) {
		t.Errorf("it doesn't say what it tried to reach:\n%s", n.Tail())
	}
}
