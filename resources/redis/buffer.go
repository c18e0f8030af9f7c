package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// maxBatch is how many messages are handed to the sink at once.
const maxBatch = 64

// buffer lies between a connection and the sink of one resource, so that a slow sink holds up nobody else on that connection. What was
// taken for delivery counts as held until the sink has it. A goroutine delivers only while there is something to deliver.
type buffer struct {
	spec    bufferSpec
	send    func([]item) error
	linger  func(waiting int) // waits if the sink would rather have more at once
	drop    func(reason string, n int)
	missed  func(resources.Gap)
	blocked func(bool) // told when push has to wait for room, and when no more

	mu      sync.Mutex
	waiting []item
	taken   int
	bytes   int64         // of those waiting and taken
	room    chan struct{} // closed when there is room again; nil: nobody waits
	running bool          // a goroutine delivers
	closed  bool
	joined  sync.WaitGroup

	dropped     int // for want of room, since that was last told
	first, last time.Time
}

// push adds an item. When there is no room it does what the spec says, which may be to wait until there is or ctx ends.
func (b *buffer) push(ctx context.Context, i item) {
	for {
		room := b.offer(i)
		if room == nil {
			return
		}
		b.blocked(true)
		select {
		case <-room:
			b.blocked(false)
		case <-ctx.Done():
			b.drop(resources.DropStopped, 1)
			return
		}
	}
}

// offer adds the item, or drops one, or returns what to wait for.
func (b *buffer) offer(i item) (room chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.fits(i) && !b.closed {
		switch {
		case b.spec.OnFull == fullBlock:
			if b.room == nil {
				b.room = make(chan struct{})
			}
			return b.room
		case b.spec.OnFull == fullDropOldest && len(b.waiting) > 0:
			b.leaveOut(b.waiting[0])
			b.bytes -= int64(len(b.waiting[0].data))
			b.waiting[0] = item{} // let go of its data
			b.waiting = b.waiting[1:]
		default:
			b.leaveOut(i)
			return nil
		}
	}
	b.add(i)
	return nil
}

// note adds a gap, for which there is always room.
func (b *buffer) note(g resources.Gap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missed(g)
	b.add(item{at: g.To, gap: &g})
}

func (b *buffer) add(i item) {
	if b.closed {
		if i.gap == nil {
			b.drop(resources.DropStopped, 1)
		}
		return
	}
	b.waiting = append(b.waiting, i)
	b.bytes += int64(len(i.data))
	if !b.running {
		b.running = true
		b.joined.Go(b.deliver)
	}
}

func (b *buffer) fits(i item) bool {
	return len(b.waiting)+b.taken < b.spec.MaxMessages && b.bytes+int64(len(i.data)) <= int64(b.spec.MaxBytes)
}

// leaveOut drops an item for want of room. A gap that is dropped is told as a part of the greater one.
func (b *buffer) leaveOut(i item) {
	if i.gap == nil {
		b.drop(resources.DropBufferFull, 1)
	}
	if b.dropped++; b.dropped == 1 {
		b.first = i.at
		if i.gap != nil {
			b.first = i.gap.From
		}
	}
	b.last = i.at
}

// deliver hands everything to the sink, in order, and ends when nothing is left or the run is over.
func (b *buffer) deliver() {
	for batch := b.next(nil); len(batch) > 0; batch = b.next(batch) {
		err := b.send(batch)
		var refused *sink.RefusedError
		switch {
		case errors.As(err, &refused):
			b.drop(resources.DropRefused, refused.Messages)
		case err != nil:
			b.abandon(batch)
			return
		}
	}
}

// next waits for a while if the sink would rather have more at once, and takes what is there.
func (b *buffer) next(delivered []item) []item {
	b.mu.Lock()
	waiting := len(b.waiting)
	b.mu.Unlock()
	if waiting < maxBatch {
		b.linger(waiting)
	}
	return b.take(delivered)
}

// take makes room for what was delivered and returns the next batch; none is left when it is empty.
func (b *buffer) take(delivered []item) []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range delivered {
		b.bytes -= int64(len(delivered[i].data))
		delivered[i] = item{} // let go of its data
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	n := min(len(b.waiting), maxBatch)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if b.dropped > 0 {
		g := resources.Gap{From: b.first, To: b.last, Reason: fmt.Sprintf("the sink is too slow: %d dropped (buffer.on_full)", b.dropped)}
		b.dropped = 0
		b.missed(g)
		batch = append([]item{{at: g.To, gap: &g}}, batch...)
	}
	if b.taken = len(batch); b.taken == 0 {
		b.waiting, b.running = nil, false
	}
	return batch
}

// abandon drops what is left: the run is over, and what another node receives from now on is its own.
func (b *buffer) abandon(taken []item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(resources.DropStopped, messagesOf(taken)+messagesOf(b.waiting))
	b.waiting, b.taken, b.bytes, b.running, b.closed = nil, 0, 0, false, true
}

// messagesOf counts all but gaps.
func messagesOf(items []item) int {
	n := 0
	for i := range items {
		if items[i].gap == nil {
			n++
		}
	}
	return n
}

// join takes nothing more, and returns when nothing is being delivered any more.
func (b *buffer) join() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.joined.Wait()
}
