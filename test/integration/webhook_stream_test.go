//go:build linux

package integration

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/natstest"
)

// With events of a stream of NATS the same holds as with topics, at the points where they differ: a holder that is killed while an event is
// on its way leaves it in doubt, and one that is killed when it is taken, or waits, doesn't send it again too soon or never, whatever the
// server takes to be unacknowledged.
func TestKillsWithAStream(t *testing.T) {
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	r := newReceiver(t)
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	natstest.Stream(t, js, "EVENTS", "t")
	publish := func(id string) {
		_, err := js.Publish(w.ctx, "t", []byte(`{"n":1}`), jetstream.WithMsgID(id))
		w.must(err)
	}
	points := []string{"unanswered", "refused", "taken"}
	modes := []string{"effectively_once", "at_least_once"}
	for _, mode := range modes {
		for _, point := range points {
			w.streamed(mode+"-"+point, r.URL+"/"+mode+"/"+point, mode, srv.URL)
		}
	}
	publish("e1")
	first := w.start(nodeID(0))
	for _, mode := range modes {
		for _, point := range points {
			w.came(r, "/"+mode+"/"+point+" e1", 1)
		}
		w.delivered(mode+"-taken", "t/e1")
		w.kept(mode+"-refused", "waiting/", "~e1")
	}
	first.Worker.Kill()
	w.ended(first.Worker)
	close(r.mended)
	publish("e2")
	w.start(nodeID(1))
	for _, mode := range modes {
		for _, point := range points {
			w.came(r, "/"+mode+"/"+point+" e2", 1)
		}
		w.came(r, "/"+mode+"/refused e1", 2)
	}
	w.kept("effectively_once-unanswered", "doubt/", "~e1")
	w.came(r, "/at_least_once/unanswered e1", 2)
	for _, mode := range modes {
		for _, point := range points {
			w.delivered(mode+"-"+point, "t/e2")
			if n := r.count("/" + mode + "/" + point + " e2"); n != 1 {
				t.Errorf("%s, %s: %d POSTs of e2; want 1", mode, point, n)
			}
		}
		if n := r.count("/" + mode + "/taken e1"); n != 1 {
			t.Errorf("%s: %d POSTs of what was taken at once; want 1", mode, n)
		}
	}
	if n := r.count("/effectively_once/unanswered e1"); n != 1 {
		t.Errorf("effectively_once: %d POSTs of what was not answered; want 1", n)
	}
}

// streamed puts a webhook that delivers the stream EVENTS to a url.
func (w *world) streamed(id, to, mode, nats string) {
	w.t.Helper()
	u, err := url.Parse(to)
	w.must(err)
	w.must(w.Put(w.ctx, "resources/webhook/"+id, fmt.Sprintf(`{"url": %q, "source": {"type": "jetstream", "url": %q, "stream": "EVENTS"}, "start": "oldest",
		"delivery": %q, "timeout": "5m", "connect_timeout": "5m", "retry": {"schedule": ["500ms", "500ms", "5s", "5s"]}, "breaker": {"failures": 0},
		"network": {"allow_http": true, "ports": [%s]}}`, to, nats, mode, u.Port())))
}
