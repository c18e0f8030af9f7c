//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
)

// loader publishes events of 1 KiB.
type loader struct {
	store     *lease.Store
	publisher *events.Publisher
	next      int // the number of the next event
}

// data is what an event carries, and what the plain program posts.
var data = json.RawMessage(`"` + strings.Repeat("x", 1<<10-2) + `"`)

func topic(i int) string { return fmt.Sprintf("t%d", i) }

// take returns the next events, dealt to so many topics in turn.
func (l *loader) take(n, topics int) []events.Event {
	es := make([]events.Event, n)
	for i := range es {
		es[i] = events.Event{Topic: topic(l.next % topics), ID: fmt.Sprintf("e%09d", l.next), Time: time.Now(), Data: data}
		l.next++
	}
	return es
}

func (l *loader) publish(ctx context.Context, es []events.Event) error {
	for _, r := range l.publisher.Publish(ctx, es) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// fill publishes events as fast as etcd takes them from a few publishers.
func (l *loader) fill(ctx context.Context, n, topics int) error {
	const publishers, batch = 4, 1000
	var filling sync.WaitGroup
	failed := make([]error, publishers)
	batches := make(chan []events.Event)
	for who := range publishers {
		filling.Go(func() {
			for es := range batches {
				failed[who] = errors.Join(failed[who], l.publish(ctx, es))
			}
		})
	}
	for ; n > 0; n -= batch {
		batches <- l.take(min(n, batch), topics)
	}
	close(batches)
	filling.Wait()
	return errors.Join(failed...)
}

// trickle publishes events at a rate, for a while, and returns how many: what is due each hundredth of a second goes
// together, and waits for nothing before it.
func (l *loader) trickle(ctx context.Context, rate float64, topics int, span time.Duration) (n int, err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var publishing sync.WaitGroup
	var mu sync.Mutex
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		since := min(time.Since(began), span)
		es := l.take(int(rate*since.Seconds())-n, topics)
		n += len(es)
		publishing.Go(func() {
			failed := l.publish(ctx, es)
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, failed)
		})
		if since == span {
			break
		}
	}
	publishing.Wait()
	return n, err
}
