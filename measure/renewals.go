package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Renewals renews a lease of its own again and again, as nodes do, and returns how long each took.
func Renewals(ctx context.Context, store *lease.Store, n int) (Spread, error) {
	ids := []cluster.LeaseID{cluster.TermID(rand.Uint64N(1<<47-1) + 1).Lease(0)}
	if _, err := store.Grant(ctx, ids[0], time.Minute); err != nil {
		return Spread{}, err
	}
	var each Latencies
	for range n {
		at := time.Now()
		var ttl time.Duration
		err := store.Renew(ctx, ids, func(a cluster.Ack) { ttl = a.TTL })
		if err == nil && ttl <= 0 {
			err = cluster.ErrLeaseNotFound
		}
		if err != nil {
			return Spread{}, fmt.Errorf("renew lease: %w", err)
		}
		each.Add(time.Since(at))
	}
	return each.Spread(), store.Revoke(ctx, ids[0])
}
