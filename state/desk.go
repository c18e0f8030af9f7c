package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	// maxFlying is how many requests a Book has under way: more than one, so that a slow one doesn't hold up everybody.
	maxFlying = 4
	// gather is how long a write waits for others while requests are under way.
	gather = 10 * time.Millisecond
	// maxBytes is how much one request carries, unless a single write is larger: etcd takes 1.5 MiB.
	maxBytes = 1 << 20
	// minPause and maxPause bound how long to wait before a request whose outcome is unknown is sent again.
	minPause, maxPause = 50 * time.Millisecond, time.Second
)

// desk is where writes wait for their request. It belongs to the goroutine of Run.
type desk struct {
	b       *Book
	queue   []*write // oldest first
	ops     int      // in queue
	since   time.Time
	flying  int
	done    chan struct{} // one for each request that is over
	turn    *time.Timer   // the oldest has waited long enough
	sending sync.WaitGroup
}

func (d *desk) run(ctx context.Context) {
	defer d.close()
	for {
		select {
		case w := <-d.b.writes:
			d.add(w)
		case <-d.done:
			d.flying--
		case <-d.turn.C:
		case <-ctx.Done():
			return
		}
		for d.due() {
			d.send(ctx)
		}
	}
}

func (d *desk) close() {
	d.sending.Wait()
	for _, w := range d.queue {
		w.answered <- verdict{err: ErrClosed}
	}
}

func (d *desk) add(w *write) {
	if len(d.queue) == 0 {
		d.wait()
	}
	d.queue = append(d.queue, w)
	d.ops += len(w.ops)
}

// wait begins the time that the first in the queue waits for others.
func (d *desk) wait() {
	d.since = time.Now()
	d.turn.Reset(gather)
}

// due tells whether a request is to be sent now.
func (d *desk) due() bool {
	if len(d.queue) == 0 || d.flying == maxFlying {
		return false
	}
	return d.flying == 0 || d.ops >= cluster.MaxCommit || time.Since(d.since) >= gather
}

// send takes from the queue what fits into one request, and sends it.
func (d *desk) send(ctx context.Context) {
	n := fit(d.queue)
	group := d.queue[:n:n]
	if d.queue = d.queue[n:]; len(d.queue) > 0 {
		d.wait()
	}
	for _, w := range group {
		d.ops -= len(w.ops)
	}
	d.flying++
	d.sending.Go(func() {
		d.b.settle(ctx, group)
		d.done <- struct{}{}
	})
}

// fit returns how many of the first writes go into one request; at least one.
func fit(writes []*write) int {
	ops, size := 0, 0
	for i, w := range writes {
		o, s := w.size()
		if ops, size = ops+o, size+s; i > 0 && (ops > cluster.MaxCommit || size > maxBytes) {
			return i
		}
	}
	return len(writes)
}

// settle sends a group again and again until each write in it is answered, or nobody waits for it any more.
func (b *Book) settle(ctx context.Context, group []*write) {
	for wait := minPause; len(group) > 0; wait = min(2*wait, maxPause) {
		var left []*write
		var failed error
		for len(group) > 0 {
			n := fit(group)
			again, err := b.commit(ctx, group[:n])
			left, failed, group = append(left, again...), errors.Join(failed, err), group[n:]
		}
		if group = left; ctx.Err() != nil {
			break
		}
		if failed != nil {
			b.o.Log.Warn("writing state: the outcome is unknown; trying again", "resources", len(left), "err", failed)
			pause(ctx, wait)
		}
	}
	for _, w := range group {
		w.answered <- verdict{err: ErrClosed}
	}
}

// commit sends writes once and returns those that are to be sent again; the error says that their outcome is unknown.
func (b *Book) commit(ctx context.Context, group []*write) (left []*write, err error) {
	var ops []cluster.Op
	var waited []*write
	var first []int // index of each one's first op
	for _, w := range group {
		if w.ctx.Err() == nil {
			waited, first = append(waited, w), append(first, len(ops))
			ops = append(ops, w.request()...)
		}
	}
	if len(waited) == 0 {
		return nil, nil
	}
	answer, err := b.store.Commit(ctx, ops)
	switch {
	case errors.Is(err, cluster.ErrRefused) && len(waited) > 1:
		// One of them may be what etcd refuses; the others are not to suffer for it.
		var failed error
		for _, w := range waited {
			again, err := b.commit(ctx, []*write{w})
			left, failed = append(left, again...), errors.Join(failed, err)
		}
		return left, failed
	case errors.Is(err, cluster.ErrRefused) && !waited[0].repeated:
		waited[0].answered <- verdict{err: err}
		return nil, nil
	case err != nil:
		for _, w := range waited {
			w.repeated = true
		}
		return waited, fmt.Errorf("commit %d writes: %w", len(waited), err)
	}
	for i, w := range waited {
		if v, ok := w.judge(answer.Results[first[i]], answer.Rev); ok {
			w.answered <- v
		} else {
			left = append(left, w)
		}
	}
	return left, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
