package api

import (
	"net/http"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// What is in trouble is tried again by putting its spec again, what is well stays as it is, and what isn't there is told. Seen to
// fail with the spec put whether or not anything is noted, and with GET served too.
func TestRetry(t *testing.T) {
	n := newNode()
	key := ws("a")
	epoch := n.put(key, `{"url":"ws://h/"}`)
	n.trouble("b", epoch)
	ask := func(method, path string) int {
		answer, _ := n.ask(t, method, path)
		return answer.StatusCode
	}
	spec := func() cluster.Record {
		record, _ := n.memory.Get(cluster.ResourcePath(key))
		return record
	}
	before := spec()
	if got := ask("GET", "/v1/resources/websocket/a/retry"); got != http.StatusMethodNotAllowed || spec().Rev != before.Rev {
		t.Errorf("GET is answered with %d", got)
	}
	if got := ask("POST", "/v1/resources/websocket/a/retry"); got != http.StatusOK {
		t.Errorf("POST is answered with %d", got)
	}
	if after := spec(); after.Rev == before.Rev || string(after.Value) != string(before.Value) {
		t.Errorf("the spec is %q of revision %d; want the same, put again", after.Value, after.Rev)
	}
	n.memory.Delete(cluster.StatusPath(key))
	before = spec()
	if got := ask("POST", "/v1/resources/websocket/a/retry"); got != http.StatusOK || spec().Rev != before.Rev {
		t.Errorf("what is well is answered with %d, and its spec has revision %d after %d", got, spec().Rev, before.Rev)
	}
	if got := ask("POST", "/v1/resources/websocket/b/retry"); got != http.StatusNotFound {
		t.Errorf("what isn't there is answered with %d", got)
	}
}
