//go:build linux

package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// crew is the nodes of a cluster, as loops in this process, and what they tell. Their runners do nothing: what is measured is
// what it takes to have resources held.
type crew struct {
	s     *stage
	group sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	tally   tally
	runs    map[cluster.Key]string // who runs what now
	held    map[string]int         // how much each node runs
	ready   int                    // nodes that have registered
}

// tally counts what nodes have told since it was last reset.
type tally struct {
	gone, last    time.Time // when the first of them saw a node go, and the last started something
	started       int
	handed        int // hand-offs
	won, lost     int // bids
	leases, terms int // that were lost
	trouble       []string
	renewals      []time.Duration
}

func newCrew(s *stage) *crew {
	c := &crew{s: s, runs: map[cluster.Key]string{}, held: map[string]int{}}
	c.changed = sync.NewCond(&c.mu)
	s.t.Cleanup(c.group.Wait)
	return c
}

// member is one node of a crew.
type member struct {
	id    string
	loop  *cluster.Loop
	leave context.CancelFunc
	abort chan struct{}
	ended chan struct{}
}

// start starts a node and doesn't wait for it.
func (c *crew) start(id string) *member {
	c.s.t.Helper()
	m := &member{id: id, abort: make(chan struct{}), ended: make(chan struct{})}
	store := c.s.open(lease.Config{Observe: c.asked})
	var err error
	m.loop, err = cluster.New(cluster.Config{
		Self: cluster.Node{ID: id}, Store: store, Clock: lease.Boottime, Abort: m.abort, Observe: c.observe, TTL: *ttl,
		Runners: map[string]cluster.Runner{"nothing": nothing{c, id}},
	})
	c.s.must(err)
	ctx, leave := context.WithCancel(context.Background())
	m.leave = leave
	c.s.t.Cleanup(func() { m.die(); <-m.ended })
	c.group.Go(func() {
		defer close(m.ended)
		if err := m.loop.Run(ctx); err != nil {
			c.s.t.Errorf("node %s: %v", id, err)
		}
	})
	return m
}

// die ends a node with nothing handed off: it gives its leases back at once, as the supervisor of a crashed worker does.
func (m *member) die() {
	select {
	case <-m.abort:
	default:
		close(m.abort)
	}
	m.leave()
}

func (c *crew) asked(op string, took time.Duration, err error) {
	if op != "renew" || errors.Is(err, lease.ErrClosed) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.renewals = append(c.tally.renewals, took)
}

func (c *crew) observe(e cluster.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.tally
	switch e.Type {
	case cluster.NodeGone:
		if t.gone.IsZero() {
			t.gone = e.Time
		}
	case cluster.TermStarted:
		c.ready++
	case cluster.TermEnded:
		c.ready--
		if e.Reason != "leaving" {
			t.terms++
			t.note(e)
		}
	case cluster.Stuck:
		t.note(e)
	case cluster.BidWon:
		t.won++
	case cluster.BidLost:
		t.lost++
	case cluster.HandedOff:
		t.handed++
	case cluster.LostLease:
		t.leases++
		t.note(e)
	case cluster.Started:
		t.started++
		t.last = e.Time
	default:
		return
	}
	c.changed.Broadcast()
}

// note keeps the first troubles, for people to read.
func (t *tally) note(e cluster.Event) {
	if len(t.trouble) < 10 {
		t.trouble = append(t.trouble, fmt.Sprintf("%s %s %s %v", e.Time.Format("05.000"), e.Type, e.Reason, e.Err))
	}
}

// fresh begins a new tally.
func (c *crew) fresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally = tally{}
}

// read returns the tally as it is now.
func (c *crew) read() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally
	t.renewals = slices.Sorted(slices.Values(t.renewals))
	return t
}

// await returns once something holds that an event brings about. It is called with the crew locked.
func (c *crew) await(what string, holds func() bool) {
	c.s.t.Helper()
	stop := context.AfterFunc(c.s.ctx, c.changed.Broadcast)
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !holds() {
		if c.s.ctx.Err() != nil {
			c.s.t.Fatalf("waiting for %s: %v; %d run, the tally is %+v", what, c.s.ctx.Err(), len(c.runs), c.tally)
		}
		c.changed.Wait()
	}
}

// running waits until so many resources run on so many nodes.
func (c *crew) running(resources, nodes int) {
	c.s.t.Helper()
	c.await("all to run", func() bool { return len(c.runs) == resources && c.ready == nodes })
}

// even waits until no node runs more than one resource more than another.
func (c *crew) even(resources, nodes int) {
	c.s.t.Helper()
	c.await("an even spread", func() bool {
		least, most := resources, 0
		for _, n := range c.held {
			least, most = min(least, n), max(most, n)
		}
		return len(c.runs) == resources && c.ready == nodes && len(c.held) == nodes && most-least <= 1
	})
}

func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// nothing is a kind that is held by waiting. It notices when something is held twice.
type nothing struct {
	c    *crew
	node string
}

func (nothing) Check(json.RawMessage) error { return nil }

func (n nothing) Run(ctx context.Context, claim cluster.Claim) error {
	n.c.begun(claim.Key, n.node)
	<-ctx.Done()
	n.c.over(claim.Key, n.node)
	return nil
}

func (c *crew) begun(key cluster.Key, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, twice := c.runs[key]; twice {
		c.s.t.Errorf("%s runs on %s and on %s", key, other, node)
	}
	c.runs[key] = node
	c.held[node]++
	c.changed.Broadcast()
}

func (c *crew) over(key cluster.Key, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, key)
	if c.held[node]--; c.held[node] == 0 {
		delete(c.held, node)
	}
	c.changed.Broadcast()
}
