//go:build linux

package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// change is one change of a claim, as etcd tells of it.
type change struct {
	resource string
	rev      int64
	lease    cluster.LeaseID // 0: the claim was deleted
	node     string
	version  int64 // how often it has been put since it was created, this time included
	seen     cluster.Instant
}

// claimWatch follows the claims on every member at once, so that what one misses, because it is frozen, killed or has
// compacted it away, another tells.
type claimWatch struct {
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu      sync.Mutex
	changes map[string]map[int64]change // by resource and revision
}

// watchClaims follows from the revision given until close is called. Each client is one of a single member.
func watchClaims(clients []*clientv3.Client, prefix string, from int64) *claimWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &claimWatch{cancel: cancel, changes: map[string]map[int64]change{}}
	for _, client := range clients {
		w.group.Go(func() { w.follow(ctx, client, prefix+claims, from) })
	}
	return w
}

func (w *claimWatch) close() {
	w.cancel()
	w.group.Wait()
}

func (w *claimWatch) follow(ctx context.Context, client *clientv3.Client, below string, from int64) {
	for ctx.Err() == nil {
		for answer := range client.Watch(ctx, below, clientv3.WithPrefix(), clientv3.WithRev(from)) {
			seen := lease.Boottime()
			for _, e := range answer.Events {
				w.note(changeOf(e, below, seen))
				from = e.Kv.ModRevision + 1
			}
			if errors.Is(answer.Err(), rpctypes.ErrCompacted) {
				from = max(from, answer.CompactRevision) // the others have told of what is missing, or whole says that they have not
			}
		}
	}
}

func changeOf(e *clientv3.Event, below string, seen cluster.Instant) change {
	c := change{
		resource: strings.TrimPrefix(string(e.Kv.Key), below), rev: e.Kv.ModRevision, lease: cluster.LeaseID(e.Kv.Lease),
		version: e.Kv.Version, seen: seen,
	}
	var value cluster.ClaimValue
	if e.Type == clientv3.EventTypePut && json.Unmarshal(e.Kv.Value, &value) == nil {
		c.node = value.Node
	}
	return c
}

func (w *claimWatch) note(c change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes[c.resource] == nil {
		w.changes[c.resource] = map[int64]change{}
	}
	if _, known := w.changes[c.resource][c.rev]; !known {
		w.changes[c.resource][c.rev] = c
	}
}

// holder returns the node to which an epoch of a resource belonged.
func (w *claimWatch) holder(resource string, epoch int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes[resource][epoch].node
}

// all returns the changes of each resource in the order of their revisions.
func (w *claimWatch) all() map[string][]change {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string][]change, len(w.changes))
	for resource, changes := range w.changes {
		for _, c := range changes {
			all[resource] = append(all[resource], c)
		}
		slices.SortFunc(all[resource], func(a, b change) int { return int(a.rev - b.rev) })
	}
	return all
}

// until waits until the watch has told of everything up to the last change of a claim that a list shows.
func (w *claimWatch) until(ctx context.Context, client *clientv3.Client, prefix string) error {
	response, err := client.Get(ctx, prefix+claims, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for _, kv := range response.Kvs {
		for resource := strings.TrimPrefix(string(kv.Key), prefix+claims); !w.knows(resource, kv.ModRevision); {
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("watch claims: revision %d of %s was not told: %w", kv.ModRevision, resource, ctx.Err())
			}
		}
	}
	return nil
}

func (w *claimWatch) knows(resource string, rev int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.changes[resource][rev]
	return known
}
