package redis

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/redistest"
)

// valve is a standard output that can be shut.
type valve struct {
	node  *node
	gates chan chan struct{} // one for each write that waits
	open  chan struct{}
}

// shut makes a node's output wait until the test lets it go on.
func shut(n *node) *valve {
	v := &valve{node: n, gates: make(chan chan struct{}), open: make(chan struct{})}
	n.runner = n.newRunner(nil, func(b []byte) {
		gate := make(chan struct{})
		select {
		case v.gates <- gate:
			<-gate
		case <-v.open:
		}
		n.write(b)
	})
	return v
}

// A slow sink holds up nobody else on the connection: what has no room is dropped, the oldest or the newest, counted, and told as
// a gap. Seen to fail with push waiting as if it were "block" (the other resource gets nothing), and without the gap.
func TestSlowSinkDrops(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := newNode(t, nil)
	v := shut(n)
	spec := `{"url": "` + s.URL() + `", "channels": ["%s"], "buffer": {"max_messages": 3, "on_full": "%s"}}`
	oldest := n.hold("oldest", fmt.Sprintf(spec, "o", fullDropOldest)).connected()
	newest := n.hold("newest", fmt.Sprintf(spec, "n", fullDropNewest)).connected()
	s.Do("PUBLISH", "o", "first")
	gate := receive(t, v.gates, "nothing is written")
	for i := range 10 { // "first" is on its way and counts
		s.Do("PUBLISH", "o", fmt.Sprint(i))
		s.Do("PUBLISH", "n", fmt.Sprint(i))
	}
	s.Until("drop", func() bool { return n.count.of(n.count.dropped, resources.DropBufferFull) == 8+7 })
	close(v.open)
	close(gate)
	oldest.data("first")
	from, to := oldest.gap("8 dropped")
	if from.IsZero() || to.Before(from) {
		t.Errorf("the gap goes from %s to %s", from, to)
	}
	oldest.data("8")
	oldest.data("9")
	got := map[string]bool{}
	for range 4 {
		e := newest.event()
		got[fmt.Sprint(e["data"])] = true
	}
	if !got["0"] || !got["1"] || !got["2"] || !strings.Contains(fmt.Sprint(got), "7 dropped") {
		t.Errorf("of those who came first %v are left", got)
	}
	s.Do("PUBLISH", "o", "last")
	oldest.data("last")
}

// A resource with a connection of its own can leave it to the server to hold what the sink does not take. The server ends the connection when
// that is too much: it is a gap, and then goes on. Seen to fail with share_connection not looked at: the other one waits too.
func TestSlowSinkBlocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--client-output-buffer-limit", "pubsub 1mb 1mb 1")
	n := newNode(t, nil)
	v := shut(n)
	own := n.hold("own", `{"url": "`+s.URL()+`", "channels": ["c"], "share_connection": false, `+soon+`,
		"buffer": {"max_messages": 2, "on_full": "block"}, "ping": {"interval": "100ms", "timeout": "20s"}}`).connected()
	n.hold("shares", `{"url": "`+s.URL()+`", "channels": ["other"], `+soon+`, "ping": {"interval": "100ms", "timeout": "20s"}}`).connected()
	if got := subscribers(s); got != 2 {
		t.Errorf("%d connections subscribe, want 2", got)
	}
	s.Do("PUBLISH", "c", "0")
	gate := receive(t, v.gates, "nothing is written")
	for i := 1; i < 4; i++ {
		s.Do("PUBLISH", "c", fmt.Sprint(i))
	}
	own.troubled(resources.StateSinkBlocked, "on_full")
	payload := string(bytes.Repeat([]byte("x"), 256<<10))
	for subscribers(s) == 2 { // what the kernel holds comes first
		s.Do("PUBLISH", "c", payload)
	}
	close(v.open)
	close(gate)
	for i := range 4 {
		own.data(fmt.Sprint(i))
	}
	for {
		e := own.event()
		if e["data"] == payload {
			continue
		}
		if e["type"] != "drm.redis.gap" {
			t.Fatalf("got %.200v, want a gap", e)
		}
		break
	}
	own.connected()
	s.Do("PUBLISH", "c", "last")
	own.data("last")
}
