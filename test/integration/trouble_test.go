//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/recorder"
)

// noted waits until the status of a resource is one that is looked for.
func (w *world) noted(id string, want func(cluster.Status) bool) (s cluster.Status) {
	w.t.Helper()
	changes := w.Client.Watch(w.ctx, "/drm/"+cluster.StatusPath(key(id)))
	answer, err := w.Client.Get(w.ctx, "/drm/"+cluster.StatusPath(key(id)))
	w.must(err)
	read := func(value []byte) bool {
		s = cluster.Status{}
		return (len(value) == 0 || json.Unmarshal(value, &s) == nil) && want(s) // nothing once it is deleted
	}
	for _, kv := range answer.Kvs {
		if read(kv.Value) {
			return s
		}
	}
	for change := range changes {
		for _, event := range change.Events {
			if read(event.Kv.Value) {
				return s
			}
		}
	}
	w.t.Fatalf("the status of %s is never what it should be; last %+v", id, s)
	return s
}

// A resource that waits for its next attempt goes on waiting when its holder is killed, and when it is handed off: the count and the time
// stay, and nobody dials. An operator's retry ends it at once, on whichever node is asked. Seen to fail with recall left out of learn (the
// next holder dialled at once, and counted from one).
func TestTroubleIsRemembered(t *testing.T) {
	w := onEtcd(t, 2, 4)
	w.put("sick", `{"url": "ws://127.0.0.1:1/", "reconnect": {"initial": "1h", "max": "1h"}}`)
	first := w.noted("sick", func(s cluster.Status) bool { return s.Attempts == 1 && !s.NextTry.IsZero() })
	same := func(now cluster.Status) {
		t.Helper()
		if now.Attempts != 1 || now.NextTry.Sub(first.NextTry).Abs() > time.Second || !now.Since.Equal(first.Since) {
			t.Errorf("the trouble is %+v after %s had it, before that %+v", now, now.Node, first)
		}
	}
	holder := w.node(0)
	other := w.node(1)
	if first.Node == other.ID {
		holder, other = other, holder
	}
	holder.Worker.Kill()
	holder.Supervisor.Kill()
	moved := w.noted("sick", func(s cluster.Status) bool { return s.Node == other.ID })
	same(moved)

	third := w.start("n3")
	if code, err := other.Leave(w.ctx); err != nil || code != 0 {
		t.Fatalf("%s left with %d, %v", other.ID, code, err)
	}
	same(w.noted("sick", func(s cluster.Status) bool { return s.Node == third.ID }))
	w.allHeld(4)

	request, err := http.NewRequestWithContext(w.ctx, http.MethodPost,
		fmt.Sprintf("http://%s/v1/resources/websocket/sick/retry", third.Address), new(bytes.Buffer))
	w.must(err)
	answer, err := http.DefaultClient.Do(request)
	w.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("retry is answered with %s", answer.Status)
	}
	again := w.noted("sick", func(s cluster.Status) bool { return !s.NextTry.Equal(moved.NextTry) && !s.NextTry.IsZero() })
	if again.Attempts != 1 || again.Since.Equal(first.Since) {
		t.Errorf("after the retry the trouble is %+v; want it to begin anew", again)
	}
	w.put("sick", w.spec("sick", ""))
	w.wait("it to connect", func(recorder.Record) bool { return len(w.rec.Record().Of("sick")) == 1 })
	w.noted("sick", func(s cluster.Status) bool { return s.Node == "" })
}
