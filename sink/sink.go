// Package sink is where what resources receive is sent: standard output or an HTTP endpoint, as CloudEvents.
//
//	websocket ─┐                        ┌─ stdout: JSON lines, one writer for the process
//	  …        ├─ Sink.Send (blocks) ───┤
//	another   ─┘                        └─ http: POST with retry, by package post
//
// Send blocks until the messages are taken, which is the backpressure: who calls it buffers, within bounds of
// its own. Delivery is at least once: a message whose answer was lost is sent again with the same id.
// A receiver drops what it has seen by id, and an older holder's messages by drmepoch. Once ctx has ended
// nothing more is sent; ctx.Err is asked before every attempt, as a process that was paused may wake up with its
// right to send gone and its timers due.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// Message is one thing that a resource received.
type Message struct {
	ID      string // unique within Source; the same in every attempt
	Source  string // such as drm/websocket/trades
	Type    string // such as drm.websocket.message
	Subject string
	Time    time.Time // when it came in
	Data    []byte
	Binary  bool   // Data is not text
	Epoch   int64  // the claim under which it was received
	Seq     uint64 // counts the messages of one epoch, from 1
	Node    string // the holder
}

// Sink takes messages. One resource uses one Sink, from one goroutine at a time.
type Sink interface {
	// Send returns when all messages were taken, in order, or refused for good (*RefusedError), or ctx ended (its
	// cause). It tries again for as long as that takes. It doesn't keep the messages.
	Send(ctx context.Context, messages []Message) error
}

// RefusedError tells that the receiver took everything but some messages that it will never take.
type RefusedError struct {
	Messages int
	Err      error // why, of the last one
}

// Error says how many and why.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("send to sink: %d refused: %v", e.Messages, e.Err)
}

// Unwrap returns why.
func (e *RefusedError) Unwrap() error { return e.Err }

// Options say what the sinks of a node share. Stdout is required.
type Options struct {
	Stdout  io.Writer
	Clients *post.Clients // nil: own ones, under the strictest guard
	Meter   resources.Meter
}

// Set opens the sinks of a node and owns the one writer of standard output that they share. It may be used concurrently.
type Set struct {
	clients *post.Clients
	meter   resources.Meter
	writer  *writer
}

// NewSet returns a Set; close it when no sink of it is used any more.
func NewSet(o Options) *Set {
	if o.Clients == nil {
		o.Clients = post.NewClients(nil)
	}
	return &Set{clients: o.Clients, meter: o.Meter, writer: &writer{w: o.Stdout, turn: make(chan struct{}, 1)}}
}

// Open returns the sink that a spec describes. It connects to nothing yet. trouble is told after each attempt
// why it was in vain, nil if it was not; it is called from within Send.
func (s *Set) Open(spec Spec, trouble func(error)) Sink {
	if spec.http == nil {
		return &stdout{writer: s.writer, meter: &s.meter, trouble: trouble}
	}
	p := s.clients.Open(&spec.http.Target, resources.Network{}, 0)
	return &poster{Poster: p, spec: spec.http, meter: &s.meter, trouble: trouble}
}

// Close waits, until ctx ends, for a write to standard output that is under way.
func (s *Set) Close(ctx context.Context) error {
	if err := s.writer.acquire(ctx); err != nil {
		return fmt.Errorf("close sinks: standard output takes nothing: %w", err)
	}
	s.writer.release()
	return nil
}

// persist calls attempt until it succeeds, the messages are refused for good, or ctx ends.
func persist(ctx context.Context, backoff resources.Backoff, trouble func(error), attempt func() error) error {
	for {
		if ctx.Err() != nil {
			return resources.Cause(ctx)
		}
		err := attempt()
		if err == nil {
			trouble(nil)
			return nil
		}
		if ctx.Err() != nil {
			return resources.Cause(ctx)
		}
		delay := backoff.Next(0)
		if answer := (*answerError)(nil); errors.As(err, &answer) {
			if answer.refuses() {
				trouble(nil)
				return err
			}
			delay = max(delay, answer.retryAfter)
		}
		trouble(err)
		if err := resources.Wait(ctx, delay); err != nil {
			return err
		}
	}
}
