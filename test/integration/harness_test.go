//go:build linux

package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

const (
	// ttl is short, to spare time, and long enough for a machine that is busy with other things as well.
	ttl = 6 * time.Second
	// within bounds all that should come to pass by itself: it is no promise, but the point where waiting is pointless.
	within = 40 * time.Second
)

var program string // drm, built once

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drm-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program, err = fleet.Build(dir, buildFlags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name, value := range environment {
		os.Setenv(name, value)
	}
	code := m.Run()
	if left := fleet.Running(program); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes left behind:", left)
		return 1
	}
	return code
}

// world is a cluster with what is around it: etcd, the nodes, and the recorder that they connect to.
type world struct {
	*fleet.Fleet
	t   *testing.T
	ctx context.Context // ends before the test's own time is up
	rec *recorder.Server

	excused int // overlaps that the test has judged itself
}

// newWorld returns a world on an etcd, without nodes. When the test ends it checks the promises that hold for all.
func newWorld(t *testing.T, endpoints []string, flags ...string) *world {
	t.Helper()
	w := &world{t: t}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	var err error
	if w.rec, err = recorder.Start("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.rec.Close)
	w.Fleet, err = fleet.New(fleet.Config{
		Program: program, Dir: t.TempDir(), Client: etcdtest.Client(t, endpoints), Prefix: "/drm/",
		Flags: append([]string{"--ttl=" + ttl.String()}, flags...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

// onEtcd returns a world on an etcd of its own, inside this process, with nodes n1, n2, … and resources r0, r1, …, all held.
func onEtcd(t *testing.T, nodes, resources int, flags ...string) *world {
	t.Helper()
	w := newWorld(t, etcdtest.Start(t).Endpoints(), flags...)
	w.populate(nodes, resources)
	return w
}

// populate starts nodes and puts resources, and returns when all are held.
func (w *world) populate(nodes, resources int) {
	w.t.Helper()
	for i := range nodes {
		w.launch(nodeID(i))
	}
	for _, n := range w.Nodes() {
		w.must(n.Ready(w.ctx))
	}
	w.putResources(0, resources)
	w.allHeld(resources)
}

// end checks what every test promises, after all nodes were killed: so nothing can come later.
func (w *world) end() {
	w.Close()
	r := w.rec.Record()
	if len(r.Overlaps) > w.excused {
		w.t.Errorf("%d times a resource had two connections, first: %+v", len(r.Overlaps), r.Overlaps[0])
	}
	if len(r.Stale) > 0 {
		w.t.Errorf("%d dials carried an epoch below one seen before, first: %+v", len(r.Stale), r.Stale[0])
	}
	if len(r.Repeated) > 0 {
		w.t.Errorf("%d dials repeated an epoch, first: %+v", len(r.Repeated), r.Repeated[0])
	}
	if r.Unfenced > 0 {
		w.t.Errorf("%d dials carried no epoch", r.Unfenced)
	}
	for _, n := range w.Nodes() {
		if log := n.Log(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			w.t.Errorf("node %s:\n%s", n.ID, log)
		} else if w.t.Failed() {
			w.t.Logf("the end of the log of node %s:\n%s", n.ID, n.Tail())
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func nodeID(i int) string               { return fmt.Sprintf("n%d", i+1) }
func resourceID(i int) string           { return fmt.Sprintf("r%d", i) }
func key(id string) cluster.Key         { return cluster.Key{Kind: "websocket", ID: id} }
func path(id string) string             { return cluster.ResourcePath(key(id)) }
func (w *world) node(i int) *fleet.Node { return w.Nodes()[i] }

func (w *world) launch(id string, flags ...string) *fleet.Node {
	w.t.Helper()
	n, err := w.Launch(id, flags...)
	w.must(err)
	return n
}

func (w *world) start(id string, flags ...string) *fleet.Node {
	w.t.Helper()
	n := w.launch(id, flags...)
	w.must(n.Ready(w.ctx))
	return n
}

// spec is of a websocket that shows life often, so that one which should be silent and isn't is found out. It gives up
// on nothing by itself: a connection that ends was ended by the cluster.
func (w *world) spec(id, more string) string {
	return fmt.Sprintf(`{"url": %q, "ping": {"interval": "500ms", "timeout": "1h"}, "reconnect": {"initial": "100ms", "max": "1s"}%s}`,
		w.rec.URL(id), more)
}

func (w *world) putResources(from, to int) {
	w.t.Helper()
	specs := map[string]string{}
	for i := from; i < to; i++ {
		specs[path(resourceID(i))] = w.spec(resourceID(i), "")
	}
	w.must(w.PutAll(w.ctx, specs))
}
