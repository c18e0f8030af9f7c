//go:build linux

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/recorder"
)

// What a websocket receives becomes events, and a webhook delivers each once, with no other engine in between: also when the node that
// holds both is killed. A second websocket writes to a file. Seen to fail without --sink-dir.
func TestAWebsocketFeedsAWebhook(t *testing.T) {
	dir := t.TempDir()
	w := onEtcd(t, 2, 0, "--sink-dir="+dir)
	r := newReceiver(t)
	w.must(w.Put(w.ctx, cluster.ResourcePath(cluster.Key{Kind: "webhook", ID: "hook"}),
		fmt.Sprintf(`{"url": %q, "topics": ["feed"], "start": "oldest", "delivery": "at_least_once", "network": {"allow_http": true, "ports": [%s]}}`,
			r.URL+"/in", r.Listener.Addr().String()[len("127.0.0.1:"):])))
	specs := map[string]string{
		path("r0"): w.spec("r0", `, "subscribe": ["here"], "emit_gaps": false, "sink": {"type": "event", "topic": "feed", "batch": {"max": 50, "linger": "10ms"}}`),
		path("r1"): w.spec("r1", `, "subscribe": ["here"], "sink": {"type": "file", "path": "{kind}/{id}.jsonl"}`),
	}
	w.must(w.PutAll(w.ctx, specs))
	w.allHeld(2)
	arrived := func(texts ...string) {
		t.Helper()
		w.received(r, fmt.Sprint(texts), func() bool {
			missing := len(texts)
			for _, bodies := range r.bodies {
				for _, text := range texts {
					if strings.Contains(bodies[0], `"data":"`+text+`"`) {
						missing--
					}
				}
			}
			return missing == 0
		})
	}
	listening := func() {
		t.Helper()
		w.wait("both listen", func(r recorder.Record) bool {
			last := w.rec.Record().Last()
			return r.Open == 2 && last["r0"].Received > 0 && last["r1"].Received > 0
		})
	}
	listening()
	w.rec.Send("one")
	w.rec.Send("two")
	arrived("one", "two")
	claims, err := w.Claims(w.ctx)
	w.must(err)
	for _, n := range w.Nodes() {
		if n.ID == claims[key("r0")].Node {
			at := time.Now()
			lost := w.heldBy(n.ID)
			n.Worker.Kill()
			w.reopened(lost, 2, at)
		}
	}
	listening()
	w.rec.Send("three")
	arrived("three")
	if len(r.bodies) != 3 {
		t.Errorf("events %v, want one for each message", r.posts)
	}
	lines, err := filepath.Glob(filepath.Join(dir, "websocket", "r1.jsonl"))
	if err != nil || len(lines) != 1 {
		t.Errorf("files %v (%v)", lines, err)
	}
}
