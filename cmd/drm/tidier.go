package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources/trim"
)

// tidier puts the resource that deletes what nobody needs any more, as soon as this node keeps something of a resource or publishes an
// event: a cluster in which nothing is ever kept need not know of it.
type tidier struct {
	store     *lease.Store
	log       *slog.Logger
	publisher *events.Publisher
	first     sync.Once
	needed    chan struct{}
}

// againPause is how long to wait before the resource is put again that etcd did not take.
const againPause = 10 * time.Second

func newTidier(store *lease.Store, log *slog.Logger) *tidier {
	return &tidier{store: store, log: log, publisher: events.NewPublisher(store), needed: make(chan struct{})}
}

// need says that there is, or is about to be, something to delete one day.
func (t *tidier) need() { t.first.Do(func() { close(t.needed) }) }

// publish publishes events.
func (t *tidier) publish(ctx context.Context, es []events.Event) []events.Receipt {
	t.need()
	return t.publisher.Publish(ctx, es)
}

// run puts the resource when it is needed, unless it is there, and goes on trying until ctx ends.
func (t *tidier) run(ctx context.Context) {
	select {
	case <-t.needed:
	case <-ctx.Done():
		return
	}
	again := time.NewTicker(againPause)
	defer again.Stop()
	for {
		err := trim.Provide(ctx, t.store)
		if err == nil || ctx.Err() != nil {
			return
		}
		t.log.Warn("the resource that deletes old events is missing; trying again", "err", err)
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}
