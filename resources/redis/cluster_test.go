package redis

import (
	"fmt"
	"testing"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/test/redistest"
)

// nameOn returns a name whose slot the second of two nodes has.
func nameOn(t *testing.T, s *redistest.Server, of string) (name string, slot int64) {
	t.Helper()
	for i := 0; ; i++ {
		name = fmt.Sprint(of, i)
		slot, err := redis.Int64(s.Do("CLUSTER", "KEYSLOT", name), nil)
		if err != nil {
			t.Fatal(err)
		}
		if slot > redistest.LastSlot/2 {
			return name, slot
		}
	}
}

// Channels of a shard are found where a cluster says that they are, those of one resource on both nodes, and again when a slot has
// moved; what may have been missed meanwhile is a gap. Seen to fail without sunsubscribe looked at: nothing came any more.
func TestShardedChannelsOfACluster(t *testing.T) {
	t.Parallel()
	first, second := redistest.StartCluster(t)
	moved, slot := nameOn(t, first, "there")
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "`+first.URL()+`", "mode": "sharded", "channels": ["`+moved+`", "bar"], `+soon+`}`).connected()
	second.Do("SPUBLISH", moved, "1")
	h.data("1")
	first.Do("SPUBLISH", "bar", "2") // slot 5061
	h.data("2")
	id := first.Do("CLUSTER", "MYID")
	for _, s := range []*redistest.Server{first, second} {
		s.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
	}
	h.gap("no longer this node's")
	first.Do("SPUBLISH", moved, "3")
	h.data("3")
}

// A stream is followed to the node that has its slot.
func TestStreamOfACluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := redistest.StartCluster(t)
	key, _ := nameOn(t, first, "stream")
	second.Do("XADD", key, "1-0", "v", "a")
	h := w.node.hold("x", `{"url": "`+first.URL()+`", "mode": "stream", "stream": {"key": "`+key+`", "start": "0"}, `+soon+`}`, w.claimed("x"))
	if e := h.event(); e["id"] != "1-0" || e["subject"] != key {
		t.Errorf("got %v", e)
	}
}

// When a sentinel has made another server the master, the resource follows there. Seen to fail with the address of the first asked for
// kept.
func TestFailover(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	replica.Follow(master)
	sentinel := redistest.StartSentinel(t, "main", master)
	sentinel.Until("find the replica", func() bool {
		replicas, err := redis.Values(sentinel.Do("SENTINEL", "REPLICAS", "main"), nil)
		return err == nil && len(replicas) == 1
	})
	n := newNode(t, nil)
	h := n.hold("x", `{"url": "redis://", "sentinel": {"master": "main", "addrs": ["`+sentinel.Addr+`"]}, "channels": ["c"], `+soon+`}`).connected()
	master.Do("PUBLISH", "c", "1")
	h.data("1")
	master.Kill()
	h.connected()
	h.gap("connection lost")
	replica.Do("PUBLISH", "c", "2")
	h.data("2")
}
