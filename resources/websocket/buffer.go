package websocket

import (
	"context"
	"errors"
	"sync"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// maxBatch is how many messages are handed to the sink at once; the sink makes batches of its own of them.
const maxBatch = 400

// buffer lies between the socket and the sink of one resource: the socket is read on, and its control frames are
// answered, while the sink is slow. It outlives connections. What was taken for delivery counts as held until the
// sink has it. A goroutine delivers only while there is something to deliver.
type buffer struct {
	spec    bufferSpec
	sink    sink.Sink
	drop    func(reason string, n int)
	blocked func(bool)       // told when the reader has to wait for room, and when no more
	sent    func(seq uint64) // told the last message that the sink has; nil: nobody wants to know

	mu      sync.Mutex
	waiting []sink.Message
	taken   int
	bytes   int64         // of those waiting and taken
	room    chan struct{} // closed when there is room again; nil: nobody waits
	running bool          // a goroutine delivers
	joined  sync.WaitGroup
}

var errFull = errors.New("the sink is too slow: the buffer is full (buffer.on_full)")

// push adds a message. When there is no room it does what the spec says, which may be to wait until there is or ctx
// ends. An error means that the connection is to be ended.
func (b *buffer) push(ctx context.Context, m sink.Message) error {
	for {
		room, err := b.offer(ctx, m)
		if room == nil {
			return err
		}
		b.blocked(true)
		select {
		case <-room:
			b.blocked(false)
		case <-ctx.Done():
			b.drop(resources.DropStopped, 1)
			return context.Cause(ctx)
		}
	}
}

// offer adds the message, or drops one, or returns what to wait for.
func (b *buffer) offer(ctx context.Context, m sink.Message) (room chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.fits(m) {
		switch {
		case b.spec.OnFull == fullBlock:
			if b.room == nil {
				b.room = make(chan struct{})
			}
			return b.room, nil
		case b.spec.OnFull == fullDropOldest && len(b.waiting) > 0:
			b.bytes -= int64(len(b.waiting[0].Data))
			b.waiting[0] = sink.Message{} // let go of its data
			b.waiting = b.waiting[1:]
			b.drop(resources.DropBufferFull, 1)
			continue
		case b.spec.OnFull == fullDisconnect:
			err = errFull
		}
		b.drop(resources.DropBufferFull, 1)
		return nil, err
	}
	b.waiting = append(b.waiting, m)
	b.bytes += int64(len(m.Data))
	if !b.running {
		b.running = true
		b.joined.Add(1)
		go b.deliver(ctx)
	}
	return nil, nil
}

func (b *buffer) fits(m sink.Message) bool {
	return len(b.waiting)+b.taken < b.spec.MaxMessages && b.bytes+int64(len(m.Data)) <= int64(b.spec.MaxBytes)
}

// deliver hands everything to the sink, in order, and ends when nothing is left or ctx has ended.
func (b *buffer) deliver(ctx context.Context) {
	defer b.joined.Done()
	for batch := b.next(ctx, nil); len(batch) > 0; batch = b.next(ctx, batch) {
		err := b.sink.Send(ctx, batch)
		var refused *sink.RefusedError
		switch {
		case errors.As(err, &refused):
			b.drop(resources.DropRefused, refused.Messages)
		case err != nil:
			b.abandon()
			return
		}
		if b.sent != nil {
			b.sent(batch[len(batch)-1].Seq)
		}
	}
}

// next waits for a while if the sink would rather have more at once, and takes what is there.
func (b *buffer) next(ctx context.Context, delivered []sink.Message) []sink.Message {
	b.mu.Lock()
	waiting := len(b.waiting)
	b.mu.Unlock()
	if waiting < maxBatch {
		b.sink.Linger(ctx, waiting)
	}
	return b.take(delivered)
}

// take makes room for what was delivered and returns the next batch; none is left when it is empty.
func (b *buffer) take(delivered []sink.Message) []sink.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range delivered {
		b.bytes -= int64(len(delivered[i].Data))
		delivered[i] = sink.Message{} // let go of its data
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	n := min(len(b.waiting), maxBatch)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.taken = n
	if n == 0 {
		b.waiting, b.running = nil, false
	}
	return batch
}

// abandon drops what is left: ctx has ended, and what another node receives from now on is its own.
func (b *buffer) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(resources.DropStopped, b.taken+len(b.waiting))
	b.waiting, b.taken, b.bytes, b.running = nil, 0, 0, false
}

// join returns when nothing is being delivered any more. Nothing may be pushed from then on.
func (b *buffer) join() { b.joined.Wait() }
