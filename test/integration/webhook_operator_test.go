//go:build linux

package integration

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// operate gives a command of an operator, and returns what it says.
func (w *world) operate(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.ctx, program, args...)
	cmd.Env = append(cmd.Environ(), "ETCDCTL_ENDPOINTS="+strings.Join(w.Client.Endpoints(), ","))
	said, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("drm %s: %v: %s", strings.Join(args, " "), err, said)
	}
	return string(said)
}

// A webhook whose receiver said that it is gone is disabled, on whichever node, until drm retry; then what waits is delivered, and says the
// same of its time as the first attempt. Seen to fail with the revision of the spec not passed to the runner (it stays disabled), and with
// send leaving the time out.
func TestRetryEnablesADisabledWebhook(t *testing.T) {
	w := newWorld(t, etcdtest.Start(t).Endpoints())
	r := newReceiver(t)
	w.webhook("shop", r.URL+"/gone", "effectively_once")
	first := w.start(nodeID(0))
	w.must(w.Put(w.ctx, "topics/t/e1", `{"n":1}`))
	w.kept("shop", "cursor", `"disabled":`)
	first.Worker.Kill()
	w.ended(first.Worker)
	close(r.mended)
	w.start(nodeID(1))
	w.keys("the trouble of the second node", w.Prefix+"status/webhook/shop", func(kv map[string]string) bool {
		noted := kv[w.Prefix+"status/webhook/shop"]
		return strings.Contains(noted, `"state":"disabled"`) && strings.Contains(noted, "drm retry webhook/shop") && strings.Contains(noted, nodeID(1))
	})
	if said := w.operate("retry", "webhook/shop"); !strings.Contains(said, "tried again; it was disabled on "+nodeID(1)) {
		t.Errorf("drm retry says %q", said)
	}
	w.came(r, "/gone e1", 2)
	w.delivered("shop", "t/e1")
	r.mu.Lock()
	defer r.mu.Unlock()
	if bodies := r.bodies["/gone e1"]; bodies[0] != bodies[1] || !strings.Contains(bodies[0], `"timestamp":"20`) {
		t.Errorf("the attempts have the bodies %q; want the same, with a timestamp", bodies)
	}
}
