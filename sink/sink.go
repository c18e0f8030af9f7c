// Package sink is where what resources receive is sent.
//
//	websocket ─┐                        ┌─ stdout: lines, one writer for the process
//	redis      │                        ├─ file:   lines, rotated, one writer for each file
//	http_poll  ├─ Sink.Send ──batches──▶├─ http:   POST, by package post
//	  …        │  (blocks)    retries   ├─ event:  a topic of events, and so webhooks
//	another   ─┘                        ├─ nats:   a subject, plain or in JetStream
//	                                    └─ redis:  a stream, or a channel
//
// What is promised:
//
//   - Send blocks until the messages are taken, which is the backpressure: who calls it buffers, within bounds of its own.
//   - Delivery is at least once and in order: a message whose answer was lost is sent again with the same id. A receiver drops what it
//     has seen by id, and an older holder's messages by drmepoch.
//   - What the target refuses for good, and what it doesn't take in time where the spec sets one, goes where on_error says, counted.
//   - Once ctx has ended nothing more is sent; ctx.Err is asked before every attempt, as a process that was paused may
//     wake up with its right to send gone and its timers due.
//   - Resources with the same target share a connection.
package sink

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// Message is one thing that a resource received.
type Message struct {
	ID      string // unique within Source; the same in every attempt
	Source  string // drm/<kind>/<id>, such as drm/websocket/trades
	Type    string // such as drm.websocket.message
	Subject string
	Time    time.Time // when it came in
	Data    []byte
	Binary  bool   // Data is not text
	Epoch   int64  // the claim under which it was received
	Seq     uint64 // counts the messages of one epoch, from 1
	Node    string // the holder
}

// Options say what the sinks of a node share. Stdout is required.
type Options struct {
	Stdout  io.Writer
	Clients *post.Clients                                 // nil: own ones, under the strictest guard
	Publish publishFunc                                   // nil: sinks that need it say so
	Full    func(ctx context.Context, topic string) error // says that a topic takes no more for now; nil: none does
	NATS    *natsconn.Conns                               // nil: own ones, under the strictest guard
	Redis   *redisconn.Dialer                             // nil: an own one, under the strictest guard
	Dir     string                                        // the directory that files are written below; "": none are
	Meter   resources.Meter
}

// Set opens the sinks of a node and owns what they share. It may be used concurrently.
type Set struct {
	clients *post.Clients
	publish publishFunc
	full    func(context.Context, string) error
	nats    *natsconn.Conns
	redis   *redisconn.Dialer
	dir     string
	meter   resources.Meter
	stdout  *writer
	files   shared[string, *file]
	lines   shared[redisconn.Place, *line]
}

// publishFunc publishes events, as that of an events.Publisher does.
type publishFunc = func(context.Context, []events.Event) []events.Receipt

// NewSet returns a Set; close it when no sink of it is used any more.
func NewSet(o Options) *Set {
	if o.Clients == nil {
		o.Clients = post.NewClients(nil)
	}
	if o.NATS == nil {
		o.NATS = natsconn.New(natsconn.Options{})
	}
	if o.Redis == nil {
		o.Redis = redisconn.NewDialer(nil)
	}
	return &Set{
		clients: o.Clients, publish: o.Publish, full: o.Full, nats: o.NATS, redis: o.Redis, dir: o.Dir, meter: o.Meter, stdout: newWriter(o.Stdout),
	}
}

// Open returns the sink that a spec describes, to be closed by the caller. trouble is told after each attempt why it was in vain, nil
// if it was not; it is called from within Send.
func (s *Set) Open(spec Spec, trouble func(error)) Sink {
	k := spec.of()
	return Sink{set: s, of: k.shared(), target: k.open(s), trouble: trouble}
}

// Close waits, until ctx ends, for a write to standard output that is under way.
func (s *Set) Close(ctx context.Context) error {
	if err := s.stdout.acquire(ctx); err != nil {
		return fmt.Errorf("close sinks: standard output takes nothing: %w", err)
	}
	s.stdout.release()
	return nil
}

// target is what messages are handed to.
type target interface {
	// send makes one attempt. nil: all were taken. A *refusal: all but those that it names. Any other error: none, or nobody knows how
	// many, and all are sent again in the next.
	send(ctx context.Context, batch []Message) error
	// close gives up what was opened. It is called once, and not while send runs.
	close()
}

// Sink takes the messages of one resource, from one goroutine at a time.
type Sink struct {
	set     *Set
	of      *common
	target  target
	trouble func(error)
}

// Linger waits for batch.linger, or until ctx ends, so that more comes together; not if what is waiting makes a batch already, or is
// nothing at all.
func (s Sink) Linger(ctx context.Context, waiting int) {
	if linger := time.Duration(s.of.Batch.Linger); linger > 0 && waiting > 0 && waiting < s.of.Batch.Max {
		_ = resources.Wait(ctx, linger) // whoever sends asks ctx
	}
}

// Close gives up the sink. A connection that nobody else uses is closed.
func (s Sink) Close() { s.target.close() }

// Send returns when all messages were taken, in order, or given up (*RefusedError), or ctx ended (its cause). It doesn't keep the messages.
func (s Sink) Send(ctx context.Context, messages []Message) error {
	var given *RefusedError
	for batch := range slices.Chunk(messages, s.of.Batch.Max) {
		lost, err := s.persist(ctx, batch)
		if len(lost) > 0 && s.of.OnError == errorDeadLetter {
			lost, err = s.bury(ctx, lost, err)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return resources.Cause(ctx)
		case len(lost) > 0:
			if given == nil {
				given = &RefusedError{}
			}
			given.Messages += len(lost)
			given.Err = err
		}
	}
	if given != nil {
		return given
	}
	return nil
}

// persist makes attempts until the batch is taken, or what is left of it is given up, with the reason.
func (s Sink) persist(ctx context.Context, batch []Message) (lost []Message, err error) {
	backoff := s.of.backoff()
	begun := time.Now()
	for {
		if ctx.Err() != nil {
			return nil, resources.Cause(ctx)
		}
		err := s.attempt(ctx, batch)
		if err == nil {
			s.trouble(nil)
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, resources.Cause(ctx)
		}
		if r, ok := err.(*refusal); ok { //nolint:errorlint // it is never wrapped
			s.trouble(nil)
			return r.messages, r.err
		}
		s.trouble(err)
		delay := max(backoff.Next(0), retryAfter(err))
		if s.of.OnError != errorBlock && time.Since(begun)+delay > time.Duration(s.of.Retry.GiveUp) {
			return batch, fmt.Errorf("not taken within %s (retry.give_up): %w", time.Duration(s.of.Retry.GiveUp), err)
		}
		if err := resources.Wait(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// attempt makes one attempt and measures it.
func (s Sink) attempt(ctx context.Context, batch []Message) error {
	start := time.Now()
	err := s.target.send(ctx, batch)
	s.set.meter.Send(s.of.Type, time.Since(start), err == nil)
	return err
}

// refusal tells that the target has taken a batch but for some messages that it will never take.
type refusal struct {
	messages []Message
	err      error // why, of the last one
}

func (r *refusal) Error() string { return r.err.Error() }

// RefusedError tells that everything was taken but some messages, which were given up.
type RefusedError struct {
	Messages int
	Err      error // why, of the last one
}

// Error says how many and why.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("send to sink: %d given up: %v", e.Messages, e.Err)
}

// Unwrap returns why.
func (e *RefusedError) Unwrap() error { return e.Err }
