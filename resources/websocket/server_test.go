package websocket

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// accept serves websockets with f and returns their URL. The test waits for every f to return.
func accept(t *testing.T, f func(*websocket.Conn, *http.Request)) string {
	t.Helper()
	return serve(t, upgraded(t, f))
}

// upgraded makes a handler of what serves websockets.
func upgraded(t *testing.T, f func(*websocket.Conn, *http.Request)) http.HandlerFunc {
	upgrader := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"v2"}}
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if wrong := (websocket.HandshakeError{}); errors.As(err, &wrong) {
			t.Errorf("upgrade: %v", err)
		}
		if err != nil {
			return // a client that has gone by now, at the end of a test, is no fault
		}
		defer conn.Close()
		f(conn, r)
	}
}

// serve answers requests with f and returns the URL for websockets.
func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	return serveWith(t, (*httptest.Server).Start, f)
}

// serveWith lets a test start the server in its own way.
func serveWith(t *testing.T, start func(*httptest.Server), f http.HandlerFunc) string {
	t.Helper()
	var running sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		f(w, r)
	}))
	start(server)
	t.Cleanup(func() {
		server.Close() // waits for all requests but those that have become websockets
		running.Wait()
	})
	return strings.Replace(server.URL, "http", "ws", 1) + "/feed?token=hush"
}

// readUntilClosed answers control frames and returns what ended the connection.
func readUntilClosed(conn *websocket.Conn) error {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return err
		}
	}
}

// held is a resource that a test runs.
type held struct {
	t          *testing.T
	runner     *Runner
	stop       context.CancelCauseFunc
	conditions chan cluster.Condition
	lines      chan map[string]any // what came out of standard output
	result     chan error
	count      *counts
}

// counts keeps what the meter was told.
type counts struct {
	mu          sync.Mutex
	connections map[string]int
	connects    map[string]int
	dropped     map[string]int
	received    int
	gaps        []time.Duration
}

func (c *counts) meter() resources.Meter {
	return resources.Meter{
		Connections: func(_, state string, n int) { c.add(c.connections, state, n) },
		Connects:    func(_, result string) { c.add(c.connects, result, 1) },
		Dropped:     func(_, reason string, n int) { c.add(c.dropped, reason, n) },
		Missed: func(_ string, length time.Duration) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.gaps = append(c.gaps, length)
		},
		Received: func(string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.received++
		},
	}
}

func (c *counts) add(to map[string]int, key string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to[key] += n
}

// messages returns how many came in.
func (c *counts) messages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received
}

func (c *counts) of(from map[string]int, key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return from[key]
}

// write makes a test's channel of lines out of standard output.
type write func([]byte)

func (w write) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// start runs a resource until the test ends. fields are added to its url.
func start(t *testing.T, url, fields string) *held {
	t.Helper()
	return startWith(t, url, fields, nil, nil)
}

// startWith lets a test give its own standard output and wrap the context.
func startWith(t *testing.T, url, fields string, stdout write, wrap func(context.Context) context.Context) *held {
	t.Helper()
	return launch(t, setup{url: url, fields: fields, stdout: stdout, wrap: wrap})
}

// setup is how a test runs a resource.
type setup struct {
	url, fields string // no url: fields has all
	stdout      write
	wrap        func(context.Context) context.Context
	book        *state.Book
	claim       cluster.Claim // what is to differ
}

// launch runs a resource until the test ends.
func launch(t *testing.T, s setup) *held {
	t.Helper()
	h := &held{
		t:          t,
		conditions: make(chan cluster.Condition, 10_000),
		lines:      make(chan map[string]any, 10_000),
		result:     make(chan error, 1),
		count:      &counts{connections: map[string]int{}, connects: map[string]int{}, dropped: map[string]int{}},
	}
	if s.stdout == nil {
		s.stdout = h.line
	}
	guard := &resources.Guard{AllowLoopback: true}
	sinks := sink.NewSet(sink.Options{Stdout: s.stdout, Clients: post.NewClients(guard)})
	h.runner = New(Options{Sinks: sinks, Book: s.book, Guard: guard, Meter: h.count.meter()})
	spec := json.RawMessage(`{"url": "` + s.url + `"` + s.fields + `}`)
	if s.url == "" {
		spec = json.RawMessage(s.fields)
	}
	if err := h.runner.Check(spec); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	h.stop = stop
	if s.wrap != nil {
		ctx = s.wrap(ctx)
	}
	claim := s.claim
	claim.Key, claim.Spec, claim.Node, claim.Held = cluster.Key{Kind: Kind, ID: "feed"}, spec, cmp.Or(claim.Node, "n1"), t.Context()
	claim.Epoch = cmp.Or(claim.Epoch, 77)
	claim.Report = func(c cluster.Condition) { h.conditions <- c }
	go func() { h.result <- h.runner.Run(ctx, claim) }()
	t.Cleanup(func() {
		stop(nil)
		select {
		case err := <-h.result:
			if err == nil {
				t.Error("Run returned nil though the work has no end")
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
		if err := sinks.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for state, n := range h.count.connections {
			if n != 0 {
				t.Errorf("%d connections left in state %s", n, state)
			}
		}
	})
	return h
}

func (h *held) line(b []byte) {
	for line := range bytes.Lines(b) {
		var event map[string]any
		if err := json.Unmarshal(line, &event); err != nil {
			h.t.Errorf("standard output got %q: %v", line, err)
			continue
		}
		h.lines <- event
	}
}

// until waits for a state to be reported, and returns the condition.
func (h *held) until(state string) cluster.Condition {
	h.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case c := <-h.conditions:
			if c.State == state {
				return c
			}
		case <-deadline:
			h.t.Fatalf("never %s", state)
		}
	}
}

// troubled waits for a state whose error says something.
func (h *held) troubled(state, text string) {
	h.t.Helper()
	c := h.until(state)
	if c.Err == nil || !strings.Contains(c.Err.Error(), text) {
		h.t.Errorf("%s with error %v, want %q", state, c.Err, text)
	}
}

// event returns the next event that reached standard output.
func (h *held) event() map[string]any {
	h.t.Helper()
	return receive(h.t, h.lines, "no event")
}

// ended waits for Run to return, which the clean-up of the test then knows.
func (h *held) ended() error {
	h.t.Helper()
	err := receive(h.t, h.result, "Run did not return")
	h.result <- err
	return err
}

// receive waits for a value.
func receive[T any](t *testing.T, from <-chan T, otherwise string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal(otherwise)
		panic("unreachable")
	}
}
