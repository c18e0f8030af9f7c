//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/resources/trim"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// A node that holds a webhook provides for its events to go when they are delivered, and for what it has kept to go after it was removed; one
// that keeps nothing does not. Seen to fail with pages opened without a word to the tidier, with a tidier that needs no such word, and
// with the kind left out of those that the program holds.
func TestNodesKeepTheStoreTidy(t *testing.T) {
	w := onEtcd(t, 1, 1)
	r := newReceiver(t)
	resource := w.Prefix + "resources/" + trim.Key.String()
	w.keys("no trimming", resource, func(kv map[string]string) bool {
		if len(kv) > 0 {
			t.Errorf("a node that holds a websocket has put %v", kv)
		}
		return true
	})
	w.webhook("shop", r.URL+"/taken", "effectively_once")
	w.keys("trimming", resource, func(kv map[string]string) bool { return kv[resource] == string(trim.Default()) })
	w.must(w.Put(w.ctx, "resources/"+trim.Key.String(), `{"retention":"0s","grace":"0s","every":"1s"}`))
	for i := range 3 {
		w.must(w.Put(w.ctx, fmt.Sprintf("topics/t/e%d", i), `{"n":1}`))
		w.came(r, fmt.Sprintf("/taken e%d", i), 1)
	}
	gone := func(kv map[string]string) bool { return len(kv) == 0 }
	w.keys("no events", w.Prefix+"topics/", gone)
	w.must(w.Delete(w.ctx, "resources/webhook/shop"))
	w.keys("nothing of the webhook", w.Prefix+"state/webhook/", gone)
}

// Publishers are told to wait while a webhook is behind, and may go on when it isn't. Seen to fail with Full left out of what the worker serves.
func TestPublishersWaitForWebhooks(t *testing.T) {
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	w.must(w.Put(w.ctx, "resources/webhook/shop", `{"url":"https://a.example","topics":["t"],"paused":true}`))
	n := w.start(nodeID(0), "--max-backlog=3")
	publish := func() *http.Response {
		response, err := http.Post("http://"+n.Address+"/v1/events/t", "application/json", strings.NewReader("{}"))
		w.must(err)
		response.Body.Close()
		return response
	}
	full := func(want bool) (tries int) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			response := publish()
			tries++
			if told := response.StatusCode == http.StatusTooManyRequests; told == want {
				if told && response.Header.Get("Retry-After") == "" {
					t.Error("they are not told for how long")
				}
				return tries
			}
			select {
			case <-tick.C:
			case <-w.ctx.Done():
				t.Fatalf("after %d tries: full is not %v", tries, want)
			}
		}
	}
	if tries := full(true); tries < 4 {
		t.Errorf("told to wait at the event number %d; 3 may be behind", tries)
	}
	w.must(w.Delete(w.ctx, "resources/webhook/shop"))
	full(false)
}
