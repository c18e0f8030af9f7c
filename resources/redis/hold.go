package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

var errFull = errors.New("the sink is too slow: the buffer is full (buffer.on_full)")

// hold is one resource for the time of one run.
type hold struct {
	*Runner
	ctx     context.Context
	spec    *spec
	claim   cluster.Claim // without its spec
	sink    sink.Sink
	buffer  buffer
	seq     uint64 // of the last message
	backoff resources.Backoff
	subs    []*sub

	refusals chan struct{} // one or more subs were refused

	mu      sync.Mutex        // protects what follows; it is the last to be locked
	shows   cluster.Condition // of the connection
	full    bool              // the connection waits for the sink
	trouble error             // of the sink
	live    int               // of subs
	since   time.Time         // all are live
	gap     *resources.Gap    // that is open; nil if none is. That of a stream is its cursor's to tell

	counted string // the state in the figures, of a stream; owned by the goroutine of Run
}

func (r *Runner) newHold(ctx context.Context, c cluster.Claim) (*hold, error) {
	spec, err := readSpec(c.Spec)
	if err != nil {
		return nil, err
	}
	h := &hold{Runner: r, ctx: ctx, spec: spec, claim: c, backoff: spec.Reconnect.backoff(0), refusals: make(chan struct{}, 1)}
	past := c.Past
	if past != nil && past.Attempts > 0 {
		h.backoff.Failures = past.Attempts
		h.shows.Err, h.shows.Attempts = past.Err, past.Attempts
	}
	h.gap = resources.GapBefore(c)
	h.claim.Spec, h.claim.Past = nil, nil // they are read; thousands of specs are not to be kept in memory twice
	h.sink = r.sinks.Open(spec.Sink, h.sinkTrouble)
	h.buffer.spec = spec.Buffer
	h.buffer.send = h.send
	h.buffer.linger = func(waiting int) { h.sink.Linger(ctx, waiting) }
	h.buffer.drop = func(reason string, n int) { r.meter.Drop(Kind, reason, n) }
	h.buffer.missed = func(g resources.Gap) { r.meter.Miss(Kind, g) }
	h.buffer.blocked = h.sinkFull
	return h, nil
}

// send hands items to the sink, if anything of them is to be passed on.
func (h *hold) send(items []item) error {
	if made := h.messages(items); len(made) > 0 {
		return h.sink.Send(h.ctx, made)
	}
	return resources.Cause(h.ctx)
}

// end joins what was started.
func (h *hold) end() {
	h.buffer.join()
	h.sink.Close()
}

// logged returns the logger with what tells the resources apart. It is made anew each time: kept, it would cost each resource some
// hundred bytes.
func (h *hold) logged() *slog.Logger {
	return h.log.With("kind", Kind, "resource", h.claim.Key.ID, "epoch", h.claim.Epoch, "server", h.spec.Target.String())
}

// receive takes a message that came in. It blocks only if the connection is this resource's own.
func (h *hold) receive(i item) {
	h.meter.Receive(Kind)
	if i.data == nil || len(i.data) > int(h.spec.MaxPayload) {
		h.meter.Drop(Kind, resources.DropTooBig, 1)
		return
	}
	h.buffer.push(h.ctx, i)
}

// show reports how the connection is.
func (h *hold) show(c cluster.Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shows = c
	h.tell()
}

// showTrying reports an attempt. The trouble is that of the one before, until this one is better.
func (h *hold) showTrying(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shows.State, h.shows.NextTry = state, time.Time{}
	h.tell()
}

// sinkTrouble is told how attempts to send went.
func (h *hold) sinkTrouble(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble == nil && err == nil {
		return
	}
	h.trouble = err
	h.tell()
}

// sinkFull is told whether the connection waits for room in the buffer.
func (h *hold) sinkFull(full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.full = full
	h.tell()
}

// tell reports what all of that comes to: trouble with the sink shows only while the connection is fine.
func (h *hold) tell() {
	c := h.shows
	if c.State == resources.StateConnected && (h.full || h.trouble != nil) {
		c.State, c.Err = resources.StateSinkBlocked, h.trouble
		if c.Err == nil {
			c.Err = errFull
		}
	}
	h.claim.Report(c)
}
