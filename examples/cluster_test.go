// Package examples_test runs the specs in this folder as they are, against servers that behave as the services do that they are for, and
// moves each to another node.
package examples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/websocket"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// secret is what every service takes for a good token.
const secret = "hush"

func TestMain(m *testing.M) {
	for _, name := range []string{"DISCORD_TOKEN", "SLACK_APP_TOKEN", "HOME_ASSISTANT_TOKEN"} {
		os.Setenv(name, secret)
	}
	os.Exit(m.Run())
}

// world is a cluster inside this process, on an etcd of its own, that holds one websocket.
type world struct {
	t      *testing.T
	etcd   *etcdtest.Server
	store  *lease.Store
	events chan map[string]any // what came out of all nodes
	nodes  map[string]*node
}

// node is one node of it.
type node struct {
	leave context.CancelFunc
	ended chan struct{}
}

// run has a cluster of two nodes hold the spec of a file, after edits of its text: old and new in turn.
func run(t *testing.T, file string, edits ...string) *world {
	t.Helper()
	t.Parallel()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(raw), edits[i]) {
			t.Fatalf("%s has no %s", file, edits[i])
		}
	}
	spec := strings.NewReplacer(edits...).Replace(string(raw))
	w := &world{t: t, etcd: etcdtest.Start(t), events: make(chan map[string]any, 1000), nodes: map[string]*node{}}
	w.store = w.open()
	w.start("a")
	w.start("b")
	path := cluster.ResourcePath(cluster.Key{Kind: websocket.Kind, ID: "example"})
	if _, err := w.store.Commit(t.Context(), []cluster.Op{{Path: path, Value: []byte(spec)}}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open() *lease.Store {
	w.t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: w.etcd.Endpoints()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	return store
}

// start starts a node, which ends with the test.
func (w *world) start(id string) {
	w.t.Helper()
	store := w.open()
	book := state.Open(store, state.Options{})
	guard := &resources.Guard{AllowLoopback: true}
	clients := post.NewClients(guard)
	sinks := sink.NewSet(sink.Options{Stdout: w, Clients: clients})
	var loop *cluster.Loop
	runner := websocket.New(websocket.Options{
		Sinks: sinks, Book: book, Clients: clients, Guard: guard,
		Budgets: resources.NewBudgets(func() int { return loop.Stats().Nodes["ready"] }, resources.Meter{}),
	})
	loop, err := cluster.New(cluster.Config{
		Self: cluster.Node{ID: id}, Store: store, Clock: lease.Boottime, DrainTimeout: patience,
		Runners: map[string]cluster.Runner{websocket.Kind: runner},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	writing, stop := context.WithCancel(context.Background())
	n := &node{leave: leave, ended: make(chan struct{})}
	w.nodes[id] = n
	var books sync.WaitGroup
	books.Go(func() { _ = book.Run(writing) })
	go func() {
		defer close(n.ended)
		if err := loop.Run(ctx); err != nil {
			w.t.Errorf("node %s: %v", id, err)
		}
		stop()
		books.Wait()
		clients.Close()
		_ = sinks.Close(context.Background())
	}()
	w.t.Cleanup(func() { leave(); <-n.ended })
}

// Write takes what the nodes write to their standard output.
func (w *world) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		var event map[string]any
		if err := json.Unmarshal(line, &event); err != nil {
			w.t.Errorf("standard output got %q: %v", line, err)
		}
		w.events <- event
	}
	return len(b), nil
}

// next returns the next event, and the node that received it.
func (w *world) next() (event map[string]any, node string) {
	w.t.Helper()
	event = receive(w.t, w.events, "no event")
	return event, fmt.Sprint(event["drmnode"])
}

// move has a node leave, which hands off what it holds.
func (w *world) move(from string) {
	w.t.Helper()
	w.nodes[from].leave()
	receive(w.t, w.nodes[from].ended, "node "+from+" did not leave")
}

// receive waits for a value, or for the end of a channel.
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
