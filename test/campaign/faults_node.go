//go:build linux

package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/fleet"
)

func nodeFaults() []fault {
	return []fault{
		{
			name: "worker killed", does: "SIGKILL to the process that holds the resources; its supervisor gives its leases back",
			hits: hitsNode, starts: true, bound: atOnce, make: signals(func(n *fleet.Node) { n.Worker.Kill() }),
		},
		{
			name: "supervisor killed", does: "SIGKILL to the supervisor; its worker hands everything off and ends",
			hits: hitsNode, starts: true, bound: 2 * atOnce, make: signals(func(n *fleet.Node) { n.Supervisor.Kill() }),
		},
		{
			name: "machine lost", does: "SIGKILL to worker and supervisor at once; the leases are left to expire",
			hits: hitsNode, starts: true, bound: expired, make: signals(func(n *fleet.Node) { n.Supervisor.Kill(); n.Worker.Kill() }),
		},
		{
			name: "worker frozen", does: "SIGSTOP to the worker, for longer than its leases last; its supervisor ends it first",
			hits: hitsNode, starts: true, bound: expired, make: freezeWorker,
		},
		{
			name: "machine frozen", does: "SIGSTOP to worker and supervisor, SIGCONT when all it held has been taken over: the one case of two open connections, on the older of which nothing may be sent",
			hits: hitsNode, starts: true, bound: expired, make: freezeNode,
		},
		{
			name: "packets from a node dropped", does: "what it sends is lost, without a reset; what is sent to it arrives",
			hits: hitsNode, starts: true, bound: expired, needs: needsNetwork, make: cut(from),
		},
		{
			name: "packets to a node dropped", does: "etcd gets its renewals and answers them; the node hears nothing",
			hits: hitsNode, starts: true, bound: blind, needs: needsNetwork, make: cut(to),
		},
		{
			name: "wall clock stepped", does: "a node's date is set, forth or back, by up to a day",
			hits: hitsNode, bound: atOnce, make: stepClock,
		},
		{
			name: "node lease revoked", does: "`etcdctl lease revoke` of the lease that a node's key is on; the node begins a new term",
			hits: hitsNode, starts: true, bound: 2 * atOnce, make: revokeNodeLease,
		},
	}
}

// signals makes a fault of what is over as soon as it is done: the campaign starts what has ended again, when the hand is over.
func signals(kill func(*fleet.Node)) func(*campaign, card, *rand.Rand) (func() error, error) {
	return func(c *campaign, card card, _ *rand.Rand) (func() error, error) {
		kill(c.node(card.node))
		return nil, nil
	}
}

func freezeWorker(c *campaign, card card, _ *rand.Rand) (func() error, error) {
	return nil, c.node(card.node).Worker.Stop(c.ctx)
}

func freezeNode(c *campaign, card card, chance *rand.Rand) (func() error, error) {
	n := c.node(card.node)
	if err := n.Supervisor.Stop(c.ctx); err != nil {
		return nil, err
	}
	if err := n.Worker.Stop(c.ctx); err != nil {
		return nil, err
	}
	c.judge.froze(n.ID)
	c.hide(n.ID)
	first, second := n.Supervisor, n.Worker
	if chance.IntN(2) == 0 {
		first, second = second, first
	}
	return func() error {
		c.rec.Send("are you there?") // whoever wakes up is asked for an answer that it must not give
		c.judge.woke(n.ID)
		first.Cont()
		second.Cont()
		c.unhide(n.ID)
		return nil
	}, nil
}

// The two directions in which packets are dropped, as seen from here.
const (
	from = "from"
	to   = "to"
)

// cut drops packets in one direction, and tells what etcd, not the node, says of the renewals that still got through.
func cut(direction string) func(*campaign, card, *rand.Rand) (func() error, error) {
	return func(c *campaign, card card, _ *rand.Rand) (func() error, error) {
		id := nodeID(card.node)
		lease, err := c.nodeLease(id)
		if err != nil {
			return nil, err
		}
		if err := c.network.drop(card.node, direction); err != nil {
			return nil, err
		}
		c.hide(id)
		return func() error {
			left, err := c.remaining(lease)
			c.say("the lease that %s had when it was cut off has %v left in etcd (below 0: it is gone)", id, left)
			c.unhide(id)
			return errors.Join(err, c.network.pass(card.node, direction))
		}, nil
	}
}

// stepClock sets a node's date, and sees that the node goes by it: it dates its answers.
func stepClock(c *campaign, card card, chance *rand.Rand) (func() error, error) {
	by := time.Duration(chance.IntN(2*24*3600)-24*3600) * time.Second
	if err := c.clocks[card.node-1].set(by); err != nil { // it stays so until it is set again
		return nil, err
	}
	response, err := http.Get("http://" + c.node(card.node).Address + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("ask node %s for the time: %w", nodeID(card.node), err)
	}
	defer response.Body.Close()
	date, err := http.ParseTime(response.Header.Get("Date"))
	if off := time.Until(date) - by; err != nil || off.Abs() > slack {
		return nil, fmt.Errorf("step clock of node %s by %v: it answers at %v: %w", nodeID(card.node), by, date, err)
	}
	c.say("the clock of %s is off by %v now", nodeID(card.node), by)
	return nil, nil
}

func revokeNodeLease(c *campaign, card card, _ *rand.Rand) (func() error, error) {
	lease, err := c.nodeLease(nodeID(card.node))
	if err != nil {
		return nil, err
	}
	return nil, c.revoke(lease)
}

// nodeLease returns the lease that a node's key is on, once it is there: what was made before may have the node begin a new term.
func (c *campaign) nodeLease(id string) (cluster.LeaseID, error) {
	response, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		response, err := client.Get(ctx, c.fleet.Prefix+cluster.NodePath(id))
		if err == nil && len(response.Kvs) == 0 {
			err = errors.New("it has no key")
		}
		return response, err
	})
	if err != nil {
		return 0, fmt.Errorf("read node %s: %w", id, err)
	}
	return cluster.LeaseID(response.Kvs[0].Lease), nil
}
