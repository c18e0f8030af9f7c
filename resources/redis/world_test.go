package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/redistest"
)

// world is a redis, an etcd and the book of a node.
type world struct {
	*redistest.Server
	t     *testing.T
	store *lease.Store
	node  *node
	more  string // fields of specs
}

func newWorld(t *testing.T, args ...string) *world {
	t.Helper()
	s := redistest.Start(t, args...)
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints(), FreshEvery: 50 * time.Millisecond, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	book := state.Open(store, state.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = book.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &world{Server: s, t: t, store: store, node: newNode(t, book)}
}

// claimed puts a claim into etcd, and returns what runs a resource under it: under a new epoch each time.
func (w *world) claimed(id string) func(context.Context, *cluster.Claim) context.Context {
	w.t.Helper()
	k := cluster.Key{Kind: Kind, ID: id}
	answer, err := w.store.Commit(w.t.Context(), []cluster.Op{{Path: cluster.ClaimPath(k), Value: []byte(`{"node":"n1"}`)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return func(ctx context.Context, c *cluster.Claim) context.Context {
		c.Epoch, c.Change = answer.Rev, cluster.ChangeHandOff
		return ctx
	}
}

// tail holds a stream.
func (w *world) tail(fields string, change ...func(context.Context, *cluster.Claim) context.Context) *held {
	w.t.Helper()
	if !strings.Contains(fields, "block") {
		fields += `, "block": "100ms"`
	}
	spec := `{"url": "` + w.URL() + `", "mode": "stream", "stream": {"key": "s"` + fields + `}, ` + soon + w.more + `}`
	return w.node.hold("tail", spec, append(change, w.claimed("tail"))...)
}

func (w *world) add(id, value string) string {
	w.t.Helper()
	added, err := redis.String(w.Do("XADD", "s", id, "v", value), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return added
}

// entry expects the next event to be an entry.
func (h *held) entry(id, value string) {
	h.t.Helper()
	if e := h.event(); e["id"] != id || e["subject"] != "s" || fmt.Sprint(e["data"]) != "map[v:"+value+"]" {
		h.t.Errorf("got %v, want entry %s with %s", e, id, value)
	}
}

// settled waits until the cursor is on record.
func (w *world) settled(id string) {
	w.t.Helper()
	w.Until("write the cursor", func() bool {
		records, err := state.Load(w.t.Context(), w.store, cluster.Key{Kind: Kind, ID: "tail"})
		if err != nil {
			w.t.Fatal(err)
		}
		return len(records) == 1 && string(records[0].Value) == `{"key":"s","id":"`+id+`"}`
	})
}
