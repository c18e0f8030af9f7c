package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// TestMain runs the tests and then expects every goroutine of this package and of post to end.
func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	code := m.Run()
	if code != 0 {
		os.Exit(code)
	}
	if left := leaked(5 * time.Second); left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked waits until only this goroutine is left, and returns the stacks of the others if that takes too long.
func leaked(patience time.Duration) string {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "drm/resources/post.") && !strings.Contains(string(stacks), "drm/resources/webhook.(") {
			return ""
		}
		select {
		case <-deadline:
			return string(stacks)
		case <-tick.C:
		}
	}
}

// order is an event as the log gives it.
func order() events.Event {
	return events.Event{
		Topic: "orders", ID: "evt_1", At: events.Position{Rev: 7, Name: "orders/evt_1"}, Type: "order.paid",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), ContentType: "application/json", Data: []byte(`{"amount": 12, "customer": "ada"}`),
	}
}

// senderTo returns a sender to a server of the test, with more fields of its spec.
func senderTo(t *testing.T, to, fields string) *sender {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	network := `"network": {"allow_http": true, "deny_cidrs": ["127.0.0.2/32"], "ports": [` + u.Port() + `]}`
	spec, err := readSpec([]byte(`{"url": "` + to + `", "topics": ["orders"], ` + network + fields + `}`))
	if err != nil {
		t.Fatal(err)
	}
	clients := post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	return newSender(spec, clients, "drm/test", "drm.example")
}

// receiver notes the requests that it gets and answers them as answer says.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func receive(t testing.TB, answer func(w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	rec := &receiver{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			rec.mu.Lock()
			rec.requests = append(rec.requests, r)
			rec.bodies = append(rec.bodies, string(body))
			rec.mu.Unlock()
		}
		answer(w, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

// last returns the request that came last, and its body.
func (r *receiver) last(t *testing.T) (*http.Request, string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		t.Fatal("no request came")
	}
	return r.requests[len(r.requests)-1], r.bodies[len(r.bodies)-1]
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// expect checks what came of an attempt.
func (o outcome) expect(t *testing.T, want verdict, says string) {
	t.Helper()
	if o.verdict != want || (o.err == nil) != (want == delivered) || o.err != nil && !strings.Contains(o.err.Error(), says) {
		t.Errorf("verdict %d, %v; want %d, %s", o.verdict, o.err, want, says)
	}
}

// try makes the first attempt to deliver order.
func (s *sender) try(ctx context.Context) outcome { return s.attempt(ctx, order(), 1, 41) }
