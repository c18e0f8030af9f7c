package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Cluster is nodes inside this process. Its methods are for one goroutine; Close must be called.
type Cluster struct {
	*Ledger
	Etcd    lease.Config
	TTL     time.Duration // of the nodes; 0 for drm's default
	Renewed Latencies     // how long each round of renewals took

	nodes []*node

	mu        sync.Mutex
	bid       time.Time            // when a bid was first sent
	bids      int                  // lost ones
	gone      map[string]time.Time // when another node first saw that one is gone
	term      cluster.Event        // the first term's beginning
	terms     int                  // that have begun: a node lists everything first
	lostTerms int                  // terms that ended otherwise than by leaving
}

// NewCluster returns a cluster without nodes.
func NewCluster(etcd lease.Config, ttl time.Duration) *Cluster {
	return &Cluster{Ledger: NewLedger(), Etcd: etcd, TTL: ttl, gone: map[string]time.Time{}}
}

// node is one of them.
type node struct {
	id    string
	store *lease.Store
	leave context.CancelFunc
	abort chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	guard cluster.Guarded
}

// Start starts a node that holds resources of kind Kind, and doesn't wait for it. Only its id need be given.
func (c *Cluster) Start(self cluster.Node) error { return c.start(self, Kind) }

// Watch starts a node that sees everything and holds nothing, since it runs another kind.
func (c *Cluster) Watch(id string) error { return c.start(cluster.Node{ID: id}, "other") }

func (c *Cluster) start(self cluster.Node, kind string) error {
	cfg := c.Etcd
	cfg.Observe = func(op string, took time.Duration, err error) {
		if op == "renew" {
			c.Renewed.Add(took)
		}
	}
	store, err := lease.Open(cfg)
	if err != nil {
		return err
	}
	n := &node{id: self.ID, store: store, abort: make(chan struct{}), ended: make(chan struct{})}
	loop, err := cluster.New(cluster.Config{
		Self: self, Store: store, Clock: lease.Boottime, TTL: c.TTL, DrainTimeout: time.Minute,
		Runners: map[string]cluster.Runner{kind: waiter{c.Ledger}}, Observe: c.observe, Guard: n.guarded, Abort: n.abort,
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	ctx, leave := context.WithCancel(context.Background())
	n.leave = leave
	c.nodes = append(c.nodes, n)
	go func() {
		defer close(n.ended)
		_ = loop.Run(ctx) // it ends when told to; that it was refused shows by its holding nothing
	}()
	return nil
}

func (n *node) guarded(g cluster.Guarded) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.guard = g.After(n.guard)
}

func (c *Cluster) observe(e cluster.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Type {
	case cluster.BidsSent:
		if c.bid.IsZero() {
			c.bid = e.Time
		}
	case cluster.BidLost:
		c.bids++
	case cluster.NodeGone:
		if c.gone[e.Node].IsZero() {
			c.gone[e.Node] = e.Time
		}
	case cluster.TermStarted:
		if c.term.Type == "" {
			c.term = e
		}
		c.terms++
	case cluster.TermEnded:
		if e.Reason != "leaving" {
			c.lostTerms++
		}
	}
}

// Terms returns how many terms have begun: a node begins its own once it has listed everything.
func (c *Cluster) Terms() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.terms
}

// Lost returns the bids lost so far.
func (c *Cluster) Lost() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bids
}

// TermsLost returns how many terms ended though their nodes were not to leave.
func (c *Cluster) TermsLost() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lostTerms
}

// Term returns the TTL that etcd granted, and how much of it is never used.
func (c *Cluster) Term() (ttl, margin time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.term.TTL, c.term.Margin
}

// Filled starts nodes where so many resources wait for them, and returns once all are held: with how long that took from the
// first bid on.
func (c *Cluster) Filled(ctx context.Context, resources int, nodes ...cluster.Node) (time.Duration, error) {
	for _, self := range nodes {
		if err := c.Start(self); err != nil {
			return 0, err
		}
	}
	if err := c.Wait(ctx, func(now Now) bool { return now.Running == resources }); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return newest(c.Since(0)).Sub(c.bid), nil
}

// Crash ends a node as a crash of its worker does: nothing is handed off, and its leases are revoked. It returns once others
// hold all that it held: how much that was, and how long it took from when the first of them saw that it is gone.
func (c *Cluster) Crash(ctx context.Context, id string) (held int, took time.Duration, err error) {
	n := c.take(id)
	held, before := c.Held(id), c.Ever()
	running := 0
	for _, other := range c.nodes {
		running += c.Held(other.id)
	}
	close(n.abort)
	if err := n.close(ctx); err != nil {
		return 0, 0, err
	}
	if err := c.Wait(ctx, func(now Now) bool { return now.Running == running+held && now.Ever >= before+held }); err != nil {
		return 0, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return held, newest(c.Since(before)).Sub(c.gone[id]), nil
}

// Fullest returns the node that holds the most.
func (c *Cluster) Fullest() (id string) {
	most := -1
	for _, n := range c.nodes {
		if held := c.Held(n.id); held > most {
			id, most = n.id, held
		}
	}
	return id
}

// Leave has a node hand everything off, and returns when it has left; the others may be about to start what came last.
func (c *Cluster) Leave(ctx context.Context, id string) error { return c.take(id).close(ctx) }

// Close ends all nodes, without handing anything off, and returns when their runners have.
func (c *Cluster) Close(ctx context.Context) error {
	var errs []error
	for _, n := range c.nodes {
		close(n.abort)
	}
	for _, n := range c.nodes {
		errs = append(errs, n.close(ctx))
	}
	c.nodes = nil
	return errors.Join(errs...)
}

// take returns a node, which is none of the cluster's any more. Its name must be right.
func (c *Cluster) take(id string) *node {
	for i, n := range c.nodes {
		if n.id == id {
			c.nodes = append(c.nodes[:i:i], c.nodes[i+1:]...)
			return n
		}
	}
	panic(fmt.Sprintf("end node %s: there is no such node", id))
}

// close tells the node to leave, waits until it has, and revokes what it may have had no time to, as a supervisor does. That is every
// lease that it ever named: one whose grant was cut off by the end holds nothing, but would be left.
func (n *node) close(ctx context.Context) error {
	n.leave()
	<-n.ended
	n.mu.Lock()
	g := n.guard
	n.mu.Unlock()
	ids := make([]cluster.LeaseID, g.Named)
	for i := range ids {
		ids[i] = g.Term.Lease(i)
	}
	return errors.Join(cluster.RevokeTerm(ctx, n.store, ids), n.store.Close())
}

func newest(runs []Run) (at time.Time) {
	for _, r := range runs {
		if r.Began.After(at) {
			at = r.Began
		}
	}
	return at
}
