//go:build linux

package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

func keyFaults() []fault {
	return []fault{
		{
			name: "claim lease revoked", does: "`etcdctl lease revoke` of a lease that claims are on, while their holder lives",
			hits: hitsKeys, rests: true, bound: rested, make: revokeClaimLease,
		},
		{
			name: "claims deleted by hand", does: "`etcdctl del` of some claims, while their holders live",
			hits: hitsKeys, rests: true, bound: rested, make: deleteClaims,
		},
		{
			name: "ten times the resources", does: "ten times as many more are put, changed and removed as fast as etcd takes them, some before anybody can have claimed them",
			hits: hitsKeys, bound: 2 * atOnce, make: churn,
		},
	}
}

func revokeClaimLease(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	claims, err := c.claims()
	if err != nil {
		return nil, err
	}
	victim, ok := claims[key(resourceID(chance.IntN(resources)))]
	if !ok {
		return nil, nil // it is on its way from one holder to the next
	}
	return nil, c.revoke(victim.Lease)
}

// deleteClaims deletes some claims, and takes down that it did.
func deleteClaims(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	for _, i := range chance.Perm(resources)[:5] {
		k := key(resourceID(i))
		path := c.fleet.Prefix + cluster.ClaimPath(k)
		o := &operation{by: "etcdctl", call: lease.Boottime(), outcome: vanished}
		response, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.DeleteResponse, error) {
			return client.Delete(ctx, path, clientv3.WithPrevKV())
		})
		if err != nil {
			return nil, fmt.Errorf("delete claim: %w", err)
		}
		if response.Deleted == 1 {
			was := response.PrevKvs[0]
			o.back, o.rev = lease.Boottime(), response.Header.Revision
			o.write = write{cluster.LeaseID(was.Lease), was.ModRevision}
			c.own[k.String()] = append(c.own[k.String()], o)
		}
	}
	return nil, nil
}

// churned is how the ids of resources begin that come and go.
const churned = "churn-"

// tidy removes what churn has put once more: a put that was given up may be done yet when the leader that it was sent to wakes up.
func (c *campaign) tidy() error {
	_, err := retried(c, func(ctx context.Context, client *clientv3.Client) (*clientv3.DeleteResponse, error) {
		return client.Delete(ctx, c.fleet.Prefix+cluster.ResourcePath(key(churned)), clientv3.WithPrefix())
	})
	return err
}

// churn puts many more resources, changes all, and removes what it has put.
func churn(c *campaign, _ card, chance *rand.Rand) (func() error, error) {
	var more []string
	for i := range 10 * resources {
		more = append(more, fmt.Sprintf("%s%d", churned, i))
	}
	half := len(more) / 2
	other := fmt.Sprintf(`, "subscribe": ["%d"]`, chance.Uint32())
	steps := []func() error{
		func() error { return c.put(more[:half], "") },
		func() error { return c.put(c.base(), other) },
		func() error { return c.put(more[half:], "") },
		func() error { return c.put(more[:half], other) },
		func() error { return c.remove(more[:half]) },
		func() error { return c.remove(more[half:]) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
		c.tick()
	}
	return nil, nil
}
