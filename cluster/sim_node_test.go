package cluster_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// simNode is one process of a node, with its supervisor.
type simNode struct {
	name    string
	process *process
	client  *clustertest.Client
	loop    *cluster.Loop
	leave   context.CancelFunc
	abort   func()        // the second signal; may be called again
	ended   chan struct{} // closed when Run has returned

	mayExit atomic.Bool // set before something is done to it for which its process may have to end

	mu      sync.Mutex
	guarded cluster.Guarded // guarded by mu
	blocked chan struct{}   // closed when the loop may go on; guarded by mu
	err     error           // what Run returned; guarded by mu
}

// start begins a process of a node on a connection of its own.
func (s *sim) start(name string, change ...func(*cluster.Config)) *simNode {
	aborted := make(chan struct{})
	s.mu.Lock()
	pid := len(s.pids)
	n := &simNode{
		name: name, process: &process{name: fmt.Sprintf("%s#%d", name, pid)},
		abort: sync.OnceFunc(func() { close(aborted) }), ended: make(chan struct{}),
	}
	s.pids = append(s.pids, n)
	s.mu.Unlock()
	n.client = s.memory.Client(n.process.name)
	cfg := cluster.Config{
		Self:    cluster.Node{ID: name, Address: name + ":7376", Life: cluster.Life{Machine: name, PID: pid}},
		Store:   n.client,
		Clock:   n.client.Clock,
		Runners: map[string]cluster.Runner{"x": &slowRunner{n.process, s.ledger, s.over}},
		Abort:   aborted,
		Judge:   s.judge,
		Observe: func(e cluster.Event) { s.observe(n, e) },
		Guard:   n.guard,
		Exit: func(err error) {
			s.note("%s exits: %v", n.process.name, err)
			if !n.mayExit.Load() {
				s.ledger.report("%s had to exit though its runners stop in time: %v", n.process.name, err)
			}
			s.ledger.kill(n.process, true)
			runtime.Goexit() // the rest of the process is ended by reap
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	loop, err := cluster.New(cfg)
	if err != nil {
		s.fail(err.Error())
	}
	ctx, leave := context.WithCancel(context.Background())
	n.loop, n.leave = loop, leave
	s.nodes[name] = n
	s.note("%s starts", n.process.name)
	s.group.Go(func() {
		defer close(n.ended)
		err := loop.Run(ctx)
		if err != nil {
			s.note("%s ends: %v", n.process.name, err)
		}
		n.mu.Lock()
		n.err = err
		n.mu.Unlock()
		s.ledger.kill(n.process, true)
	})
	return n
}

func (s *sim) observe(n *simNode, e cluster.Event) {
	s.keep(n.process.name, e)
	if e.Type == cluster.Listed && e.Reason == "start" {
		s.ledger.lists(n.process)
	}
	n.mu.Lock()
	blocked := n.blocked
	n.mu.Unlock()
	if blocked != nil && e.Type != cluster.Stuck { // that one does not come from the loop
		<-blocked
	}
}

func (n *simNode) guard(g cluster.Guarded) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.guarded = g.After(n.guarded)
}

// block makes the node's loop hang at the next event that it tells, until unblocked.
func (n *simNode) block() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.blocked == nil {
		n.blocked = make(chan struct{})
	}
}

func (n *simNode) unblock() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.blocked != nil {
		close(n.blocked)
		n.blocked = nil
	}
}

// judge looks at an earlier process of the same machine; sometimes it can't tell.
func (s *sim) judge(l cluster.Life) cluster.Verdict {
	s.mu.Lock()
	other := s.pids[l.PID]
	s.mu.Unlock()
	switch {
	case l.PID%3 == 0:
		return cluster.Unknown
	case s.ledger.isDead(other.process):
		return cluster.Dead
	}
	return cluster.Alive
}

// crash ends a process in an instant. With a supervisor its leases are revoked at once, else they expire.
func (s *sim) crash(name string, supervised bool) {
	n := s.nodes[name]
	delete(s.nodes, name)
	s.note("%s crashes, supervised %v", n.process.name, supervised)
	s.ledger.kill(n.process, false)
	n.cut()
	if !supervised {
		return
	}
	n.mu.Lock()
	g := n.guarded
	n.mu.Unlock()
	s.group.Go(func() {
		for _, id := range g.Leases() {
			s.memory.RevokeLease(id)
		}
		for _, r := range s.memory.List("") {
			if r.Lease.Term() == g.Term {
				s.t.Errorf("%s crashed, and its supervisor, which knew of the leases %v, left %s on %v", n.process.name, g.Live, r.Path, r.Lease)
			}
		}
	})
}

// cut ends what is left of a dead process.
func (n *simNode) cut() {
	n.unblock()
	n.client.Cut(true)
	n.abort()
	n.leave()
}

// reap ends what is left of processes that ended themselves; no supervisor was there to revoke their leases.
func (s *sim) reap() {
	for name, n := range s.nodes {
		if s.ledger.isDead(n.process) {
			s.crash(name, false)
		}
	}
}

// shutdown has a node leave in order. It may be drained for a while.
func (s *sim) shutdown(name string) *simNode {
	n := s.nodes[name]
	delete(s.nodes, name)
	s.note("%s is told to leave", n.process.name)
	n.leave()
	return n
}

// network gives a node another connection.
func (n *simNode) network(net clustertest.Network) {
	n.client.Adjust(func(now *clustertest.Network) { *now = net })
}

// settle waits until all that should be held is held by somebody, and returns how long that took.
func (s *sim) settle(within time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for len(s.missing()) > 0 && time.Since(began) < within {
		time.Sleep(10 * time.Millisecond)
	}
	s.require(len(s.missing()) == 0, "after %v %d resources are not as they should be, the first: %v", within, len(s.missing()), s.missing())
	return time.Since(began)
}
