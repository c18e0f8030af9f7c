//go:build linux

package campaign

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

const (
	patience = 3 * time.Second  // for one attempt of an operator's request
	insists  = 60 * time.Second // for all
)

// retried does what an operator does, on one member that is well after the other, until it works.
func retried[T any](c *campaign, do func(context.Context, *clientv3.Client) (T, error)) (value T, err error) {
	deadline := time.Now().Add(insists)
	for i := 0; ; i++ {
		if member := i % memberCount; !c.ill[member] {
			ctx, cancel := context.WithTimeout(c.ctx, patience)
			value, err = do(ctx, c.clients[member])
			cancel()
			if err == nil {
				return value, nil
			}
		}
		if time.Now().After(deadline) {
			return value, err
		}
		c.tick()
	}
}

// operate is retried for what is done with a fleet.
func (c *campaign) operate(do func(context.Context) error) error {
	_, err := retried(c, func(ctx context.Context, client *clientv3.Client) (struct{}, error) {
		c.fleet.Client = client
		return struct{}{}, do(ctx)
	})
	return err
}

// put puts resources, each with something more in its spec. They show life often, so that one that should be silent and isn't is
// found out, and give up on nothing by themselves: a connection that ends was ended by the cluster.
func (c *campaign) put(ids []string, more string) error {
	specs := map[string]string{}
	for _, id := range ids {
		specs[cluster.ResourcePath(key(id))] = fmt.Sprintf(
			`{"url": %q, "ping": {"interval": "500ms", "timeout": "1h"}, "reconnect": {"initial": "100ms", "max": "1s"}%s}`, c.rec.URL(id), more)
	}
	return c.operate(func(ctx context.Context) error { return c.fleet.PutAll(ctx, specs) })
}

func (c *campaign) remove(ids []string) error {
	return c.operate(func(ctx context.Context) error {
		for len(ids) > 0 {
			n := min(len(ids), 100)
			ops := make([]clientv3.Op, n)
			for i, id := range ids[:n] {
				ops[i] = clientv3.OpDelete(c.fleet.Prefix + cluster.ResourcePath(key(id)))
			}
			if _, err := c.fleet.Client.Txn(ctx).Then(ops...).Commit(); err != nil {
				return fmt.Errorf("remove %d resources: %w", n, err)
			}
			ids = ids[n:]
		}
		return nil
	})
}

func (c *campaign) claims() (claims map[cluster.Key]fleet.Claim, err error) {
	err = c.operate(func(ctx context.Context) (err error) {
		claims, err = c.fleet.Claims(ctx)
		return err
	})
	return claims, err
}

// revoke revokes a lease; one that is gone already is as good.
func (c *campaign) revoke(lease cluster.LeaseID) error {
	_, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseTimeToLiveResponse, error) {
		_, revokeErr := client.Revoke(ctx, clientv3.LeaseID(lease))
		left, err := client.TimeToLive(ctx, clientv3.LeaseID(lease))
		if err == nil && left.TTL > 0 {
			err = fmt.Errorf("revoke lease %s: %w", lease, revokeErr)
		}
		return left, err
	})
	return err
}

// remaining returns how long etcd would still wait for a renewal of a lease; negative when it is gone.
func (c *campaign) remaining(lease cluster.LeaseID) (time.Duration, error) {
	left, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseTimeToLiveResponse, error) {
		return client.TimeToLive(ctx, clientv3.LeaseID(lease))
	})
	if err != nil {
		return 0, fmt.Errorf("look at lease %s: %w", lease, err)
	}
	return time.Duration(left.TTL) * time.Second, nil
}

// reachable asks the kernel at a node's end of a connection.
func (c *campaign) reachable(client netip.AddrPort) bool {
	return c.network.open(client, netip.MustParseAddrPort(c.rec.Address()).Port())
}

// hide has a node's connections not count as holding anything: it is frozen or cut off.
func (c *campaign) hide(node string) {
	c.hidden[node] = true
	c.cuts[node] = append(c.cuts[node], freeze{from: time.Now()})
}

func (c *campaign) unhide(node string) {
	delete(c.hidden, node)
	c.cuts[node][len(c.cuts[node])-1].woken = time.Now()
}

// cutOff tells whether a connection came from a node that was cut off then, or had just been.
func (c *campaign) cutOff(conn recorder.Conn) bool {
	for _, cut := range c.cuts[c.holder(conn.Resource, conn.Epoch)] {
		if conn.Opened.After(cut.from) && conn.Opened.Before(cut.woken.Add(patience)) {
			return true
		}
	}
	return false
}

func (c *campaign) holder(resource string, epoch int64) string {
	return c.watch.holder(key(resource).String(), epoch)
}

// shown returns the connections that are open at both ends, but for those of nodes that are hidden.
func (c *campaign) shown() []recorder.Conn {
	var shown []recorder.Conn
	for _, conn := range c.rec.Alive() {
		if !c.hidden[c.holder(conn.Resource, conn.Epoch)] {
			shown = append(shown, conn)
		}
	}
	return shown
}

// tick waits a moment before something is looked at again that tells of no change.
func (c *campaign) tick() {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}
