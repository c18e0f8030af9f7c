//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// Keys that drm can't use are shown by every node, with what is wrong, and disturb nothing.
func TestMalformedKeys(t *testing.T) {
	w := onEtcd(t, 2, 5)
	for key, word := range map[string]string{
		"resources/websocket/" + strings.Repeat("x", 5<<10): "256",
		"resources/websocket/with space":                    "not allowed",
		"resources/websocket/..":                            "path",
		"resources/websocket/bad\xff":                       "UTF-8",
		"resources/websocket/a/b":                           "not allowed",
		"resources/websocket/":                              "empty",
		"resources/websocket":                               "kind",
	} {
		w.must(w.Put(w.ctx, key, w.spec("never", "")))
		w.eventually(fmt.Sprintf("%.40q is shown", key), func() (bool, string) {
			for _, n := range w.Nodes() {
				info := w.ask(n)
				if !shown(info.Malformed, key, word) {
					return false, fmt.Sprintf("%s: %.1000q", n.ID, info.Malformed)
				}
			}
			return true, ""
		})
	}
	w.proveAlive(5, 10)
}

// shown tells whether a key is among those told of. What isn't UTF-8 can't be told as it is, and what is long may be cut.
func shown(all []malformed, key, word string) bool {
	for _, m := range all {
		want := strings.ToValidUTF8(key, "\uFFFD")
		if (m.Path == want || strings.HasPrefix(want, strings.TrimSuffix(m.Path, "…")) && len(m.Path) > 100) &&
			strings.Contains(m.Error, word) {
			return true
		}
	}
	return false
}

func TestUnknownKind(t *testing.T) {
	w := onEtcd(t, 2, 5)
	w.must(w.Put(w.ctx, "resources/carrier-pigeon/a", `{}`))
	w.pending("a", cluster.UnheldKind)
	w.must(w.Delete(w.ctx, "resources/carrier-pigeon/a"))
	w.proveAlive(5, 10)
}

// A label that no node has keeps a resource waiting, with that reason, until a node comes that has it.
func TestRequires(t *testing.T) {
	w := onEtcd(t, 2, 5)
	w.put("gpu", w.spec("gpu", `, "requires": {"gpu": "yes"}`))
	w.pending("gpu", cluster.UnheldRequires)
	w.start("n3", "--label=gpu=yes")
	w.connected("gpu", 0)
	if a := w.about(0, "gpu"); a.Holder != "n3" {
		t.Errorf("it is held by %q, want n3", a.Holder)
	}
}

// etcd refuses what is above 1.5 MiB unless it is told otherwise; if it is, nodes must live with it.
func TestHugeValue(t *testing.T) {
	etcd := etcdtest.Start(t, func(c *embed.Config) { c.MaxRequestBytes = 8 << 20 })
	w := newWorld(t, etcd.Endpoints())
	w.Client = etcdtest.Client(t, etcd.Endpoints(), func(c *clientv3.Config) { c.MaxCallSendMsgSize = 8 << 20 })
	w.populate(2, 5)
	w.must(w.Put(w.ctx, path("huge"), `{"url": "`+strings.Repeat("x", 2<<20)+`"}`))
	w.eventually("it is said to be invalid", func() (bool, string) {
		a := w.about(0, "huge")
		said := fmt.Sprintf("%+v %+v %+v", a, a.Status, a.Pending)
		return strings.Contains(said, "invalid"), fmt.Sprintf("%.500s", said)
	})
	w.must(w.Put(w.ctx, path("r0"), w.spec("r0", `, "subscribe": ["`+strings.Repeat("x", 2<<20)+`"]`)))
	w.proveAlive(5, 10)
	if size := len(w.node(0).Log()); size > 1<<20 {
		t.Errorf("the log of a node has %d bytes: values are written into it", size)
	}
}

// pending waits until every node says that a resource waits, and why.
func (w *world) pending(id, reason string) {
	w.t.Helper()
	w.eventually(id+" is said to wait", func() (bool, string) {
		for _, n := range w.Nodes() {
			info := w.ask(n)
			found := false
			for _, p := range info.Examples {
				found = found || p.ID == id && p.Reason == reason && p.Detail != ""
			}
			if !found || info.Pending[reason].Count != 1 {
				return false, fmt.Sprintf("%s: %+v", n.ID, info.Examples)
			}
		}
		return true, ""
	})
}
