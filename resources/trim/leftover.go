package trim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// leftover is what is kept of a resource that is not there.
type leftover struct {
	since  cluster.Instant // it was first seen so
	newest int64           // revision of what was written last
	status int64           // revision of its status; 0: none
}

// maxLeft is how many resources that are not there are remembered at a time.
const maxLeft = 10_000

// tidy deletes what is kept of resources that have not been there for the time of grace.
func (h *hold) tidy(ctx context.Context, now cluster.Instant) error {
	found, err := h.leftovers(ctx)
	if err != nil {
		return fmt.Errorf("look for what is kept of removed resources: %w", err)
	}
	for k, l := range found {
		l.since = now
		if before, known := h.left[k]; known && before.newest == l.newest {
			l.since = before.since
		}
		if now.Sub(l.since) >= time.Duration(h.spec.Grace) {
			if err := h.remove(ctx, k, l); err != nil {
				return fmt.Errorf("delete what is kept of %s, which was removed: %w", k, err)
			}
			delete(found, k)
		}
	}
	h.left = found
	return nil
}

// leftovers finds what is kept of resources that are not there.
func (h *hold) leftovers(ctx context.Context) (map[cluster.Key]*leftover, error) {
	const specs = "resources/"
	there := newNames()
	err := each(ctx, h.store, lease.Range{Below: specs, KeysOnly: true}, func(rec cluster.Record) { there.add(rec.Path[len(specs):]) })
	if err != nil {
		return nil, err
	}
	found := map[cluster.Key]*leftover{}
	for _, below := range []string{"state/", "status/", "asks/"} {
		err := each(ctx, h.store, lease.Range{Below: below, KeysOnly: true}, func(rec cluster.Record) {
			kind, rest, _ := strings.Cut(rec.Path[len(below):], "/")
			id, _, _ := strings.Cut(rest, "/")
			k := cluster.Key{Kind: kind, ID: id}
			l := found[k]
			switch {
			case l == nil && (len(found) == maxLeft || there.has(k.String())):
				return
			case l == nil:
				l = &leftover{}
				found[k] = l
			}
			if l.newest = max(l.newest, rec.Rev); rec.Path == cluster.StatusPath(k) {
				l.status = rec.Rev
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// remove deletes what is kept of a resource, unless that is put again or somebody holds it still. The cursor of a webhook goes with the
// first: one that is put again meanwhile begins anew, and delivers what is left beside.
func (h *hold) remove(ctx context.Context, k cluster.Key, l *leftover) error {
	var ops []cluster.Op
	gone := 0
	commit := func() error {
		done, err := h.commit(ctx, ops)
		ops, gone = nil, gone+done
		return err
	}
	add := func(path string, rev int64) (err error) {
		ops = append(ops, cluster.Op{Path: path, Delete: true, If: []cluster.Guard{
			h.fence(), {Path: path, Rev: rev}, {Path: cluster.ResourcePath(k)}, {Path: cluster.ClaimPath(k)},
		}})
		if len(ops) == cluster.MaxCommit {
			err = commit()
		}
		return err
	}
	var err error
	if l.status != 0 {
		err = add(cluster.StatusPath(k), l.status)
	}
	for _, below := range []string{cluster.StatePath(k, ""), cluster.AskPath(k, "")} {
		if err != nil {
			return err
		}
		err = h.store.List(ctx, lease.Range{Below: below, KeysOnly: true}, func(b cluster.Batch) error {
			for _, rec := range b.Records {
				if err := add(rec.Path, rec.Rev); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = commit()
	}
	if gone > 0 {
		h.logger.Info("deleted what was kept of a resource that was removed", "kind", k.Kind, "resource", k.ID, "keys", gone)
	}
	return err
}
