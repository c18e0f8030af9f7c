//go:build linux

package integration

import (
	"strconv"
	"testing"
	"time"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// unanswered puts a webhook of each mode, starts a node, publishes an event, and returns once the node has called them all: none
// has an answer.
func (w *world) unanswered(r *receiver) (modes []string) {
	w.t.Helper()
	modes = []string{"once", "effectively_once", "at_least_once"}
	for _, mode := range modes {
		w.webhook(mode, r.URL+"/"+mode+"/unanswered", mode)
	}
	w.start(nodeID(0))
	w.must(w.Put(w.ctx, "topics/t/e1", `{"n":1}`))
	for _, mode := range modes {
		w.came(r, "/"+mode+"/unanswered e1", 1)
	}
	close(r.mended) // what comes from now on is taken
	return modes
}

// decided returns once the holder after the one that had no answer has gone on: the event is in doubt, or was sent again under a
// greater fence, as the mode says.
func (w *world) decided(r *receiver, modes []string) {
	w.t.Helper()
	w.must(w.Put(w.ctx, "topics/t/e2", `{"n":2}`))
	for _, mode := range modes {
		w.came(r, "/"+mode+"/unanswered e2", 1)
		w.delivered(mode, "t/e2")
	}
	w.came(r, "/at_least_once/unanswered e1", 2)
	for _, mode := range modes[:2] {
		w.kept(mode, "doubt/", "~e1")
		if n := r.count("/" + mode + "/unanswered e1"); n != 1 {
			w.t.Errorf("%s: %d POSTs; want 1", mode, n)
		}
	}
	for name, fences := range r.fences {
		last := int64(0)
		for _, text := range fences {
			fence, err := strconv.ParseInt(text, 10, 64)
			if err != nil || fence <= last {
				w.t.Errorf("%s came with the fences %v", name, fences)
			}
			last = fence
		}
	}
}

// A node that stands still in the middle of a POST, for longer than its leases last, is followed by another, whose fence is greater.
// When it wakes up it sends nothing more.
func TestAHolderThatSleepsInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	r := newReceiver(t)
	modes := w.unanswered(r)
	sleeper := w.node(0)
	w.must(sleeper.Supervisor.Stop(w.ctx))
	w.must(sleeper.Worker.Stop(w.ctx))
	w.start(nodeID(1))
	w.decided(r, modes)
	sleeper.Supervisor.Cont()
	sleeper.Worker.Cont()
	w.left(sleeper, fenced)
	for _, mode := range modes {
		want := map[string]int{"at_least_once": 2}[mode]
		if n := r.count("/" + mode + "/unanswered e1"); n != max(want, 1) {
			t.Errorf("%s: %d POSTs after it woke up", mode, n)
		}
	}
}

// When etcd can't be reached a POST that has no answer goes on for as long as the node's leases are trusted, and is called off before
// anybody else could hold the webhook.
func TestEtcdIsGoneInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	e := etcdtest.Processes(t, 1)
	w := newWorld(t, e.Endpoints())
	r := newReceiver(t)
	modes := w.unanswered(r)
	at := time.Now()
	e.Members[0].Stop()
	w.received(r, "all called off", func() bool { return len(r.off) == len(modes) })
	for name, off := range r.off {
		if took := off.Sub(at); took > ttl {
			t.Errorf("%s was called off after %v; the leases lasted for %v", name, took, ttl)
		}
	}
	e.Members[0].Cont()
	w.decided(r, modes)
}
