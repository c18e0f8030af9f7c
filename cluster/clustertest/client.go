package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Client is one node's way to a Memory: a cluster.Store over a connection of its own, and a clock of its own. All
// methods may be called concurrently.
type Client struct {
	store   *Memory
	rng     *rand.Rand
	network Network
	clock   clock
	life    int // of the store, as far as this client has accepted it
}

var _ cluster.Store = (*Client)(nil)

// Adjust changes the connection from now on.
func (c *Client) Adjust(change func(*Network)) {
	c.store.do(func(cluster.Instant) {
		change(&c.network)
		c.store.broadcast()
	})
}

// Cut cuts the connection off in both directions, or mends it. For one direction alone use Adjust.
func (c *Client) Cut(off bool) {
	c.Adjust(func(n *Network) { n.CutRequests, n.CutAnswers = off, off })
}

// Clock is the node's clock, the one that its Config.Clock is to be.
func (c *Client) Clock() (shown cluster.Instant) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.clock.at(c.store.Now())
}

// Drift lets the clock run at a rate from now on. What drm allows for is 0.99 to 1.01.
func (c *Client) Drift(rate float64) {
	c.store.do(func(now cluster.Instant) { c.clock = clock{real: now, shown: c.clock.at(now), rate: rate} })
}

// Jump puts the clock forward, as a machine finds it after a suspend.
func (c *Client) Jump(by time.Duration) {
	c.store.do(func(cluster.Instant) { c.clock.shown = c.clock.shown.Add(by) })
}

// Grant is as cluster.Store says. An id that exists already is refused.
func (c *Client) Grant(ctx context.Context, id cluster.LeaseID, ttl time.Duration) (time.Duration, error) {
	granted, err := call(ctx, c, func(at cluster.Instant) (time.Duration, error) { return c.store.grant(at, id, ttl) })
	if err != nil {
		return 0, fmt.Errorf("grant lease %s: %w", id, err)
	}
	return granted, nil
}

// Renew is as cluster.Store says. The renewals travel apart: each may be lost, late or overtaken by another.
func (c *Client) Renew(ctx context.Context, ids []cluster.LeaseID, ack func(cluster.Ack)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("renew %d leases: %w", len(ids), err)
	}
	sentAt := c.Clock()
	flights := make([]*flight[time.Duration], len(ids))
	for i, id := range ids {
		flights[i] = send(c, func(at cluster.Instant) (time.Duration, cluster.Instant) { return c.store.renew(at, id) })
	}
	err := await(ctx, c, flights, func(i int, ttl time.Duration) {
		ack(cluster.Ack{Lease: ids[i], SentAt: sentAt, TTL: ttl})
	})
	if err != nil {
		return fmt.Errorf("renew %d leases: %w", len(ids), err)
	}
	return nil
}

// Revoke is as cluster.Store says.
func (c *Client) Revoke(ctx context.Context, id cluster.LeaseID) error {
	_, err := call(ctx, c, func(at cluster.Instant) (struct{}, error) {
		c.store.revoke(at, id)
		return struct{}{}, nil
	})
	if err != nil {
		return fmt.Errorf("revoke lease %s: %w", id, err)
	}
	return nil
}

// Commit is as cluster.Store says.
func (c *Client) Commit(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
	ops = slices.Clone(ops) // they may be served after the caller has gone on
	for i := range ops {
		ops[i].If, ops[i].Read = slices.Clone(ops[i].If), slices.Clone(ops[i].Read)
		ops[i].Value = bytes.Clone(ops[i].Value)
	}
	answer, err := call(ctx, c, func(at cluster.Instant) (cluster.Answer, error) { return c.store.commit(at, ops) })
	if err != nil {
		return cluster.Answer{}, fmt.Errorf("commit %d ops: %w", len(ops), err)
	}
	return answer, nil
}
