package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// frail runs resources as a rig does, unless the node is sick: then each fails at once.
type frail struct {
	rigRunner
	sick atomic.Bool
}

var errSick = errors.New("no way out from here")

func (f *frail) Run(ctx context.Context, c cluster.Claim) error {
	if f.sick.Load() {
		return errSick
	}
	return f.rigRunner.Run(ctx, c)
}

func (r *rig) startFrail(name string) (*rigNode, *frail) {
	f := &frail{rigRunner: rigRunner{r, name}}
	n := r.start(name, clustertest.Network{}, func(_ *rigNode, c *cluster.Config) {
		c.Runners = map[string]cluster.Runner{"x": f}
	})
	return n, f
}

// said returns what a node says of itself.
func (r *rig) said(node string) (n cluster.Node) {
	record, _ := r.memory.Get(cluster.NodePath(node))
	if err := json.Unmarshal(record.Value, &n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// troubles returns what is noted of resources, by id.
func (r *rig) troubles() map[string]cluster.Status {
	all := map[string]cluster.Status{}
	for _, record := range r.memory.List("status/") {
		var s cluster.Status
		if err := json.Unmarshal(record.Value, &s); err != nil {
			r.t.Fatal(err)
		}
		all[record.Path[len("status/x/"):]] = s
	}
	return all
}

// A node where everything fails gives most of what it holds to the others, which run it, says so under its key, and asks for its
// share again once it is well. Seen to fail with tryElsewhere left out (it kept all), with judgeSelf left out (it was given all again by
// balancing), and with healthy never true.
func TestANodeWhereEverythingFailsShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 60)
		a, sick := r.startFrail("a")
		b, _ := r.startFrail("b")
		c, _ := r.startFrail("c")
		time.Sleep(20 * time.Second)
		if n := r.running("a"); n != 20 {
			t.Fatalf("a runs %d before it is sick; want 20", n)
		}
		full := r.said("a").Weight
		sick.sick.Store(true)
		for i := range 60 { // what it holds begins anew, and fails
			r.memory.Put(cluster.ResourcePath(rigKey(i)), `{"changed":true}`)
		}
		time.Sleep(10 * time.Minute)
		said := r.said("a")
		if said.Ailing == nil || said.Weight >= full || said.Ailing.Of != full {
			t.Errorf("after ten minutes a says weight %d, %+v; want less than %d, and why", said.Weight, said.Ailing, full)
		}
		if n := r.running("b") + r.running("c"); n < 55 {
			t.Errorf("b and c run %d of 60", n)
		}
		if s := r.said("b"); s.Ailing != nil || s.Weight != full {
			t.Errorf("b ails too: %+v", s.Ailing)
		}
		sick.sick.Store(false)
		time.Sleep(20 * time.Minute)
		if said := r.said("a"); said.Ailing != nil || said.Weight != full || r.running("a") < 19 {
			t.Errorf("twenty minutes after it is well a says weight %d, %+v, and runs %d", said.Weight, said.Ailing, r.running("a"))
		}
		r.end(a, b, c)
	})
}

// Where everything fails for all, no node asks for less: the world outside is to blame. What fails has been tried on some nodes, few at a
// time, and goes on being tried, up to a limit. Seen to fail with no evidence asked for, and with what is tried not bounded.
func TestWhatFailsEverywhereMakesNoNodeAil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 60)
		var nodes []*rigNode
		for _, name := range []string{"a", "b", "c", "d"} {
			n, f := r.startFrail(name)
			f.sick.Store(true)
			nodes = append(nodes, n)
		}
		before := r.memory.Rev()
		time.Sleep(10 * time.Minute)
		for _, n := range nodes {
			if s := r.said(n.name); s.Ailing != nil {
				t.Errorf("%s ails: %+v", n.name, s.Ailing)
			}
		}
		if writes := r.memory.Rev() - before; writes > 60*60 {
			t.Errorf("%d writes in ten minutes for 60 resources that fail", writes)
		}
		tried := 0
		for id, s := range r.troubles() {
			if tried = max(tried, len(s.Tried)); s.Attempts == 0 || s.Error == "" || len(s.Tried) > 3 {
				t.Errorf("%s: %+v", id, s)
			}
		}
		if tried < 2 {
			t.Error("nothing was tried on another node")
		}
		time.Sleep(2 * time.Hour)
		for id, s := range r.troubles() {
			if s.State != "quarantined" {
				t.Errorf("%s is %s after two hours of failing; want it given up", id, s.State)
			}
		}
		r.end(nodes...)
	})
}

// What was given up is tried again when an operator says so, within a second, and what is well is left alone; a spec that is on a lease
// stays on it. Seen to fail with offer keeping the refusal, and with the lease left out of the put.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		a, f := r.startFrail("a")
		f.sick.Store(true)
		time.Sleep(2 * time.Hour)
		f.sick.Store(false)
		time.Sleep(10 * time.Minute)
		if n := r.running("a"); n != 0 {
			t.Fatalf("%d of what was given up run", n)
		}
		s, err := cluster.Retry(t.Context(), a.Client.Commit, rigKey(0))
		if err != nil || s == nil || s.State != "quarantined" {
			t.Fatalf("retry: %+v, %v", s, err)
		}
		time.Sleep(time.Second)
		if n := r.running("a"); n != 1 {
			t.Errorf("%d run a second after the retry; want the one", n)
		}
		time.Sleep(5 * time.Second)
		if _, noted := r.troubles()["r0"]; noted {
			t.Error("it runs, and trouble is noted still")
		}
		before := r.memory.Rev()
		if s, err := cluster.Retry(t.Context(), a.Client.Commit, rigKey(0)); err != nil || s != nil || r.memory.Rev() != before {
			t.Errorf("retry of what is well: %+v, %v", s, err)
		}
		lease := cluster.TermID(7).Lease(1)
		if _, err := a.Client.Grant(t.Context(), lease, time.Hour); err != nil {
			t.Fatal(err)
		}
		op := cluster.Op{Path: cluster.ResourcePath(rigKey(1)), Value: []byte(`{"broken":true}`), Lease: lease}
		if _, err := a.Client.Commit(t.Context(), []cluster.Op{op}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		put, _ := r.memory.Get(op.Path)
		if s, err := cluster.Retry(t.Context(), a.Client.Commit, rigKey(1)); err != nil || s == nil {
			t.Fatalf("retry: %+v, %v", s, err)
		}
		if again, _ := r.memory.Get(op.Path); again.Rev <= put.Rev || again.Lease != lease {
			t.Errorf("the spec is on lease %v at revision %d; it was on %v at %d", again.Lease, again.Rev, lease, put.Rev)
		}
		if _, err := cluster.Retry(t.Context(), a.Client.Commit, rigKey(7)); !errors.Is(err, cluster.ErrNoResource) {
			t.Errorf("retry of what is not there: %v", err)
		}
		r.end(a)
	})
}
