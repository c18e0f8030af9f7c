package trim

import (
	"context"
	"fmt"
	"strings"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources/webhook"
)

// readers is what all webhooks need of the log.
type readers struct {
	names map[string]events.Position // by topic: what comes after is needed
	globs map[string]events.Position
}

func (r *readers) add(n webhook.Need) {
	for _, topic := range n.Topics {
		into := r.names
		if strings.Contains(topic, "*") {
			into = r.globs
		}
		if at, ok := into[topic]; !ok || n.After.Compare(at) < 0 {
			into[topic] = n.After
		}
	}
}

// slowest returns how far the slowest reader of a topic is; ok is false when it has none.
func (r *readers) slowest(topic string) (at events.Position, ok bool) {
	at, ok = r.names[topic]
	for glob, other := range r.globs {
		if events.Match(glob, topic) && (!ok || other.Compare(at) < 0) {
			at, ok = other, true
		}
	}
	return at, ok
}

// Where webhooks, and what they keep, lie.
var (
	webhooks    = cluster.ResourcePath(cluster.Key{Kind: webhook.Kind})
	webhookKept = "state/" + webhook.Kind + "/"
)

// survey finds out what all webhooks need, and puts the events that they name into refs, unless that is nil. What they keep is read first: what
// a webhook is put for after that can't have been passed by it, and one without a spec that has a cursor may be put again.
func survey(ctx context.Context, store *lease.Store, refs *names) (*readers, error) {
	cursors := map[string]*webhook.Need{}
	err := each(ctx, store, lease.Range{Below: webhookKept}, func(rec cluster.Record) {
		id, name, _ := strings.Cut(rec.Path[len(webhookKept):], "/")
		e := webhook.ReadEntry(name, rec.Value)
		if e.Cursor != nil {
			cursors[id] = e.Cursor
		}
		for _, ref := range e.Refs {
			if refs != nil {
				refs.add(ref)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read what webhooks have passed: %w", err)
	}
	r := &readers{map[string]events.Position{}, map[string]events.Position{}}
	err = each(ctx, store, lease.Range{Below: webhooks}, func(rec cluster.Record) {
		id := rec.Path[len(webhooks):]
		for _, n := range webhook.NeedsOf(rec.Value, rec.Created, cursors[id]) {
			r.add(n)
		}
		delete(cursors, id)
	})
	if err != nil {
		return nil, fmt.Errorf("read which webhooks there are: %w", err)
	}
	for _, n := range cursors {
		r.add(*n)
	}
	return r, nil
}

// each calls do with every record of a range.
func each(ctx context.Context, store *lease.Store, r lease.Range, do func(cluster.Record)) error {
	return store.List(ctx, r, func(b cluster.Batch) error {
		for _, rec := range b.Records {
			do(rec)
		}
		return ctx.Err()
	})
}
