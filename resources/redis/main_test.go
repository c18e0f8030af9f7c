package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// TestMain runs the tests and then expects every goroutine of this package to end.
func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	code := m.Run()
	if left := leaked(5 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked waits until only this goroutine is left, and returns the stacks of the others if that takes too long. Seen to fail with
// the wait for a hub's end taken out of unhub and the stop with it.
func leaked(patience time.Duration) string {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "drm/resources/redis.(") {
			return ""
		}
		select {
		case <-deadline:
			return string(stacks)
		case <-tick.C:
		}
	}
}

// node runs resources as a node of drm does: with what they share.
type node struct {
	t      *testing.T
	runner *Runner
	count  *counts

	mu    sync.Mutex
	lines map[string]chan map[string]any // what came out of standard output, by source
}

func newNode(t *testing.T, book *state.Book) *node {
	t.Helper()
	n := &node{t: t, count: newCounts(), lines: map[string]chan map[string]any{}}
	n.runner = n.newRunner(book, n.write)
	return n
}

// write makes a test's channels of lines out of standard output.
type write func([]byte)

func (w write) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func (n *node) newRunner(book *state.Book, stdout write) *Runner {
	sinks := sink.NewSet(sink.Options{Stdout: stdout})
	n.t.Cleanup(func() {
		if err := sinks.Close(context.Background()); err != nil {
			n.t.Error(err)
		}
		for state, left := range n.count.connections {
			if left != 0 {
				n.t.Errorf("%d connections left in state %s", left, state)
			}
		}
	})
	return New(Options{
		Sinks: sinks, Book: book, Dialer: redisconn.NewDialer(&resources.Guard{AllowLoopback: true}), Meter: n.count.meter(),
	})
}

func (n *node) write(b []byte) {
	for line := range bytes.Lines(b) {
		var event map[string]any
		if err := json.Unmarshal(line, &event); err != nil {
			n.t.Errorf("standard output got %q: %v", line, err)
			continue
		}
		n.from(event["source"].(string)) <- event
	}
}

// from returns the channel of a source.
func (n *node) from(source string) chan map[string]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lines[source] == nil {
		n.lines[source] = make(chan map[string]any, 4096)
	}
	return n.lines[source]
}

// held is a resource that a test runs.
type held struct {
	t          *testing.T
	node       *node
	id         string
	stop       context.CancelCauseFunc
	conditions chan cluster.Condition
	result     chan error
}

// hold runs a resource until the test ends. change adapts the claim, and may wrap the context of the run.
func (n *node) hold(id, spec string, change ...func(context.Context, *cluster.Claim) context.Context) *held {
	n.t.Helper()
	h := &held{t: n.t, node: n, id: id, conditions: make(chan cluster.Condition, 10_000), result: make(chan error, 1)}
	if err := n.runner.Check(json.RawMessage(spec)); err != nil {
		n.t.Fatalf("%s: %v", spec, err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	h.stop = stop
	claim := cluster.Claim{
		Key: cluster.Key{Kind: Kind, ID: id}, Spec: json.RawMessage(spec), Epoch: 77, Node: "n1",
		Held: context.Background(), Change: cluster.ChangeNew, Report: func(c cluster.Condition) { h.conditions <- c },
	}
	run := ctx
	for _, f := range change {
		run = f(run, &claim)
	}
	go func() { h.result <- n.runner.Run(run, claim) }()
	n.t.Cleanup(func() { h.end() })
	return h
}

// end ends the run and waits for that.
func (h *held) end() {
	h.t.Helper()
	h.stop(cluster.ErrMoving)
	err := receive(h.t, h.result, h.id+": Run did not return")
	h.result <- err
	if err == nil {
		h.t.Error("Run returned nil though the work has no end")
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
			h.t.Fatalf("%s: never %s", h.id, state)
		}
	}
}

// connected waits until the resource receives, and returns it.
func (h *held) connected() *held {
	h.t.Helper()
	h.until(resources.StateConnected)
	return h
}

// troubled waits for a state whose error says something.
func (h *held) troubled(state, text string) {
	h.t.Helper()
	c := h.until(state)
	if c.Err == nil || !strings.Contains(c.Err.Error(), text) {
		h.t.Errorf("%s: %s with error %v, want %q", h.id, state, c.Err, text)
	}
}

// event returns the next event that reached standard output.
func (h *held) event() map[string]any {
	h.t.Helper()
	return receive(h.t, h.node.from("drm/redis/"+h.id), h.id+": no event")
}

// data expects the next event to hold some data.
func (h *held) data(want string) {
	h.t.Helper()
	if e := h.event(); fmt.Sprint(e["data"]) != want {
		h.t.Errorf("%s: got %v, want %s", h.id, e, want)
	}
}

// gap expects the next event to tell of a gap, and returns its times. from is zero if it is not known.
func (h *held) gap(reason string) (from, to time.Time) {
	h.t.Helper()
	e := h.event()
	raw, err := json.Marshal(e["data"])
	if err != nil {
		h.t.Fatal(err)
	}
	var g resources.Gap
	if err := json.Unmarshal(raw, &g); err != nil || e["type"] != "drm.redis.gap" || !strings.Contains(g.Reason, reason) {
		h.t.Fatalf("%s: got %v (%v), want a gap that says %q", h.id, e, err, reason)
	}
	return g.From, g.To
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

// counts keeps what the meter was told.
type counts struct {
	mu          sync.Mutex
	connections map[string]int
	connects    map[string]int
	dropped     map[string]int
	gaps        int
	gapTime     time.Duration
}

func newCounts() *counts {
	return &counts{connections: map[string]int{}, connects: map[string]int{}, dropped: map[string]int{}}
}

func (c *counts) meter() resources.Meter {
	return resources.Meter{
		Connections: func(_, state string, n int) { c.add(c.connections, state, n) },
		Connects:    func(_, result string) { c.add(c.connects, result, 1) },
		Dropped:     func(_, reason string, n int) { c.add(c.dropped, reason, n) },
		Missed: func(_ string, length time.Duration) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.gaps++
			c.gapTime += length
		},
	}
}

func (c *counts) add(to map[string]int, key string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to[key] += n
}

func (c *counts) of(from map[string]int, key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return from[key]
}
