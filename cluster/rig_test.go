package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// rig is a small cluster for one scenario: nodes that run the code that ships on a store in memory, in which what
// they ask of the store is counted. Inside a synctest bubble, make it there.
type rig struct {
	t      testing.TB
	memory *clustertest.Memory
	group  sync.WaitGroup

	mu   sync.Mutex
	runs map[string]int // runs begun, by resource id; guarded by mu
	live map[string]int // runs going on, by node; guarded by mu
}

// rigNode is one node of a rig.
type rigNode struct {
	*clustertest.Client
	name  string
	loop  *cluster.Loop
	leave context.CancelFunc
	abort chan struct{}

	refuse  func(op string) error // nil: nothing is refused
	granted func()                // called before a granted lease is told of

	mu    sync.Mutex
	calls map[string]int // by operation; guarded by mu
}

func newRig(t testing.TB, resources int) *rig {
	r := &rig{t: t, memory: clustertest.NewMemory(1), runs: map[string]int{}, live: map[string]int{}}
	for i := range resources {
		r.memory.Put(cluster.ResourcePath(rigKey(i)), "{}")
	}
	return r
}

func rigKey(i int) cluster.Key { return cluster.Key{Kind: "x", ID: fmt.Sprintf("r%d", i)} }

// start starts a node, its connection as given and with a millisecond of latency at least, so that whoever asks again and
// again takes time for it.
func (r *rig) start(name string, network clustertest.Network, change ...func(*rigNode, *cluster.Config)) *rigNode {
	n := &rigNode{
		Client: r.memory.Client(name), name: name, abort: make(chan struct{}),
		calls: map[string]int{},
	}
	network.Request.Min += time.Millisecond
	network.Request.Max = max(network.Request.Max, network.Request.Min)
	n.Adjust(func(net *clustertest.Network) { *net = network })
	cfg := cluster.Config{
		Self: cluster.Node{ID: name}, Store: n, Clock: n.Clock, Abort: n.abort,
		Runners: map[string]cluster.Runner{"x": rigRunner{r, name}},
	}
	for _, c := range change {
		c(n, &cfg)
	}
	loop, err := cluster.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	n.loop, n.leave = loop, leave
	r.group.Go(func() {
		if err := loop.Run(ctx); err != nil {
			r.t.Errorf("%s ends: %v", name, err)
		}
	})
	return n
}

// end has nodes leave at once and waits for the end of all.
func (r *rig) end(nodes ...*rigNode) {
	for _, n := range nodes {
		n.quit()
	}
	r.group.Wait()
}

func (r *rig) running(node string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live[node]
}

// asked returns how often an operation was asked for since the last call.
func (n *rigNode) asked(op string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := n.calls[op]
	n.calls[op] = 0
	return count
}

func (n *rigNode) count(op string) error {
	n.mu.Lock()
	n.calls[op]++
	n.mu.Unlock()
	if n.refuse != nil {
		return n.refuse(op)
	}
	return nil
}

func (n *rigNode) Grant(ctx context.Context, id cluster.LeaseID, ttl time.Duration) (time.Duration, error) {
	if err := n.count("grant"); err != nil {
		return 0, err
	}
	granted, err := n.Client.Grant(ctx, id, ttl)
	if n.granted != nil {
		n.granted()
	}
	return granted, err
}

func (n *rigNode) Revoke(ctx context.Context, id cluster.LeaseID) error {
	if err := n.count("revoke"); err != nil {
		return err
	}
	return n.Client.Revoke(ctx, id)
}

func (n *rigNode) Commit(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
	if err := n.count("commit"); err != nil {
		return cluster.Answer{}, err
	}
	return n.Client.Commit(ctx, ops)
}

func (n *rigNode) Follow(ctx context.Context, out chan<- cluster.Batch) error {
	if err := n.count("follow"); err != nil {
		return err
	}
	return n.Client.Follow(ctx, out)
}

// rigRunner runs resources that do nothing and stop at once; one whose spec says "broken" fails at once.
type rigRunner struct {
	rig  *rig
	node string
}

func (rigRunner) Check(json.RawMessage) error { return nil }

func (r rigRunner) Run(ctx context.Context, c cluster.Claim) error {
	r.rig.mu.Lock()
	r.rig.runs[c.Key.ID]++
	r.rig.live[r.node]++
	r.rig.mu.Unlock()
	defer func() {
		r.rig.mu.Lock()
		defer r.rig.mu.Unlock()
		r.rig.live[r.node]--
	}()
	if strings.Contains(string(c.Spec), "broken") {
		return errors.New("broken")
	}
	<-ctx.Done()
	return context.Cause(ctx)
}
