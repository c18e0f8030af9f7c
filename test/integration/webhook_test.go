//go:build linux

package integration

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// came returns once so many POSTs of an event have come to a path.
func (w *world) came(r *receiver, name string, n int) {
	w.t.Helper()
	w.received(r, fmt.Sprintf("%d POSTs of %s", n, name), func() bool { return r.posts[name] >= n })
}

// received returns once what the receiver has seen is as it should be.
func (w *world) received(r *receiver, what string, ok func() bool) {
	w.t.Helper()
	late := time.After(within)
	for {
		r.mu.Lock()
		there, changed := ok(), r.changed
		r.mu.Unlock()
		if there {
			return
		}
		select {
		case <-changed:
		case <-late:
			w.t.Fatalf("%s: not within the time; there are %v", what, r.posts)
		}
	}
}

// kept returns once something is kept of a webhook under a name that has a text in it, below a directory of its state.
func (w *world) kept(id, dir, text string) {
	w.t.Helper()
	below := w.Prefix + "state/webhook/" + id + "/" + dir
	w.keys(fmt.Sprintf("%s with %s", below, text), below, func(kv map[string]string) bool {
		for name, value := range kv {
			if strings.Contains(name+value, text) {
				return true
			}
		}
		return false
	})
}

// delivered returns once the cursor of a webhook has come to an event and nothing is on its way.
func (w *world) delivered(id, at string) {
	w.t.Helper()
	w.keys(id+" at "+at, w.Prefix+"state/webhook/"+id+"/cursor", func(kv map[string]string) bool {
		for _, cursor := range kv {
			return strings.Contains(cursor, at) && !strings.Contains(cursor, "flight")
		}
		return false
	})
}

// keys returns once the keys that begin with a text are as they should be.
func (w *world) keys(what, below string, ok func(map[string]string) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	for {
		response, err := w.Client.Get(ctx, below, clientv3.WithPrefix())
		if err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
		kv := map[string]string{}
		for _, k := range response.Kvs {
			kv[string(k.Key)] = string(k.Value)
		}
		if ok(kv) {
			return
		}
		watching := w.Client.Watch(ctx, below, clientv3.WithPrefix(), clientv3.WithRev(response.Header.Revision+1))
		if _, open := <-watching; !open {
			w.t.Fatalf("%s: not within the time; there is %v", what, kv)
		}
	}
}

// silent is an address where connections are taken and nothing is said, as by a TLS handshake that hangs.
func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	done := make(chan struct{})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { <-done; _ = conn.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); close(done); serving.Wait() })
	return l.Addr().String()
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// webhook puts a webhook that delivers the topic t to a url.
func (w *world) webhook(id, to, mode string) {
	w.t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(w.Put(w.ctx, "resources/webhook/"+id, fmt.Sprintf(`{"url": %q, "topics": ["t"], "delivery": %q, "timeout": "5m", "connect_timeout": "5m",
		"retry": {"schedule": ["500ms", "500ms", "5s", "5s", "5s", "5s", "5s", "5s"]}, "breaker": {"failures": 0},
		"network": {"allow_http": true, "ports": [%s]}}`, to, mode, u.Port())))
}

// At whatever point the holder is killed, no mode but at_least_once sends an event a second time that may have arrived, at_least_once
// sends it until it is taken, and none loses it. Seen to fail with takeover leaving aside the intents of the holder before.
func TestKillsAtEachPointOfADelivery(t *testing.T) {
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	r := newReceiver(t)
	hanging, absent := "https://"+silent(t)+"/", "http://"+closed(t)+"/"
	modes := []string{"once", "effectively_once", "at_least_once"}
	for _, mode := range modes {
		for _, point := range []string{"unanswered", "refused", "taken"} {
			w.webhook(mode+"-"+point, r.URL+"/"+mode+"/"+point, mode)
		}
		w.webhook(mode+"-hanging", hanging, mode)
		w.webhook(mode+"-absent", absent, mode)
	}
	first := w.start(nodeID(0))
	w.must(w.Put(w.ctx, "topics/t/e1", `{"n":1}`))
	for _, mode := range modes {
		w.came(r, "/"+mode+"/unanswered e1", 1)
		w.came(r, "/"+mode+"/refused e1", 1)
		w.came(r, "/"+mode+"/taken e1", 1)
		w.delivered(mode+"-taken", "t/e1")
		w.kept(mode+"-hanging", "cursor", `"flight":[`)
		w.kept(mode+"-absent", "waiting/", "~e1")
	}
	w.kept("once-refused", "dead/", "~e1")
	w.kept("effectively_once-refused", "waiting/", "~e1")
	w.kept("at_least_once-refused", "waiting/", "~e1")
	first.Worker.Kill()
	w.ended(first.Worker)
	close(r.mended)
	w.must(w.Put(w.ctx, "topics/t/e2", `{"n":2}`)) // before any intent
	w.start(nodeID(1))
	for _, mode := range modes {
		for _, point := range []string{"unanswered", "refused", "taken"} {
			w.came(r, "/"+mode+"/"+point+" e2", 1)
		}
	}
	for _, mode := range modes[:2] {
		w.kept(mode+"-unanswered", "doubt/", "~e1")
		w.kept(mode+"-hanging", "doubt/", "~e1")
		w.kept(mode+"-absent", "waiting/", "~e1")
	}
	w.came(r, "/at_least_once/unanswered e1", 2)
	w.came(r, "/at_least_once/refused e1", 2)
	w.came(r, "/effectively_once/refused e1", 2)
	w.kept("at_least_once-hanging", "", "~e1")
	w.kept("at_least_once-absent", "waiting/", "~e1")
	for _, mode := range modes {
		for _, point := range []string{"unanswered", "refused", "taken"} {
			id := mode + "-" + point
			w.delivered(id, "t/e2")
			for _, e := range []string{"e1", "e2"} {
				t.Logf("%-17s %-11s %s: %d POSTs", mode, point, e, r.count("/"+mode+"/"+point+" "+e))
			}
		}
		for _, name := range []string{"/taken e1", "/taken e2", "/unanswered e2", "/refused e2"} {
			if n := r.count("/" + mode + name); n != 1 {
				t.Errorf("%s: %d POSTs of what was taken at once; want 1", mode+name, n)
			}
		}
	}
	for _, name := range []string{"/once/unanswered e1", "/effectively_once/unanswered e1", "/once/refused e1"} {
		if n := r.count(name); n != 1 {
			t.Errorf("%s: %d POSTs; want 1", name, n)
		}
	}
	if f := r.fences["/at_least_once/unanswered e1"]; f[0] == f[1] {
		t.Errorf("both holders sent the epoch %s", f[0])
	}
}

// A POST that is under way when its node is to leave is waited for, so that it is not in doubt. Seen to fail with
// attempts made under the run's context instead of the claim's.
func TestLeavingWaitsForAnswers(t *testing.T) {
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	r := newReceiver(t)
	w.webhook("slow", r.URL+"/slow", "effectively_once")
	leaving := w.start(nodeID(0))
	w.start(nodeID(1))
	w.must(w.Put(w.ctx, "topics/t/e1", `{"n":1}`))
	w.came(r, "/slow e1", 1)
	claims, err := w.Claims(w.ctx)
	w.must(err)
	for _, n := range w.Nodes() {
		if n.ID == claims[cluster.Key{Kind: "webhook", ID: "slow"}].Node {
			leaving = n
		}
	}
	var left sync.WaitGroup
	left.Go(func() {
		if code, err := leaving.Leave(w.ctx); code != 0 || err != nil {
			t.Errorf("left with %d, %v", code, err)
		}
	})
	w.keys("the mark of leaving", w.Prefix+"nodes/"+leaving.ID, func(kv map[string]string) bool {
		return strings.Contains(kv[w.Prefix+"nodes/"+leaving.ID], `"leaving":true`)
	})
	close(r.mended)
	left.Wait()
	w.must(w.Put(w.ctx, "topics/t/e2", `{"n":2}`))
	w.came(r, "/slow e2", 1)
	w.delivered("slow", "t/e2")
	w.keys("nothing but the cursor", w.Prefix+"state/webhook/slow/", func(kv map[string]string) bool {
		for name := range kv {
			if !strings.HasSuffix(name, "/cursor") && !strings.HasSuffix(name, "/fence") { // the fence is there after a write was repeated
				return false
			}
		}
		return true
	})
	if r.count("/slow e1") != 1 || r.count("/slow e2") != 1 {
		t.Errorf("%d and %d POSTs; want 1 each", r.count("/slow e1"), r.count("/slow e2"))
	}
}
