// Package websocket is the kind of resource that keeps a websocket open to somebody else's server and hands what it
// receives to a sink.
//
//	turn ──▶ dial ──▶ handshake ──▶ subscribe ──▶ read … ──▶ closed, silent, too big … ──▶ wait (jitter) ──▶ turn
//	          │ refused              or resume     │ message                                   ▲
//	          └────────────────────────────────────┼───────────────────────────────────────────┘
//	                                               ▼
//	                                 reply, control, buffer ──▶ sink
//
// It reports the states that package resources names: waiting, connecting, connected, sink_blocked, backing_off,
// silent and auth_failed.
//
// What is promised:
//
//   - The epoch goes along with every handshake, as header drm-fence, and with every message to the sink.
//   - When the context of a run ends, its connection is closed within 50 ms and Run returns as soon as the sink
//     does: with a close frame, or, when the resource may be another's by now, without a byte.
//   - Not a byte is sent, to the server or to the sink, once the context's Err is not nil: it is asked before each
//     write, not only waited for. A context whose Err looks at the clock thereby fences a process that was paused.
//   - The other side's silence is noticed: within ping.interval + ping.timeout of the last byte, and idle_timeout
//     after the last message.
//   - Memory is bounded: by max_message_size or max_decompressed_size for a message, by buffer for those that wait.
//     An idle resource costs one goroutine, a read buffer of 256 bytes and a timer; write buffers are shared, and
//     so is the memory into which more is read at once while more comes.
//   - Delivery is at most once between server and buffer and at least once between buffer and sink. What is in the
//     buffer when the context ends is dropped and counted.
//   - With resume, another node goes on where this one ended: what it needs for that is kept in the store, under the epoch, as of the last
//     message that the sink has. Where nothing is resumed, the sink is told from when to when something may have been missed.
package websocket

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "websocket"

// Options say what the websockets of a node share. Sinks is required, and so is Book if there are specs with resume.
type Options struct {
	Sinks   *sink.Set
	Book    *state.Book
	Clients *post.Clients      // nil: own ones, under Guard
	Guard   *resources.Guard   // nil: the strictest
	Budgets *resources.Budgets // nil: those of a node that is alone
	Meter   resources.Meter
	Log     *slog.Logger // nil: none
}

// Runner holds websockets. It implements cluster.Runner.
type Runner struct {
	sinks   *sink.Set
	book    *state.Book
	clients *post.Clients
	guard   *resources.Guard
	budgets *resources.Budgets
	meter   resources.Meter
	log     *slog.Logger

	writeBuffers sync.Pool // of the library's making, shared by all connections

	mu    sync.Mutex
	held  map[string]*hold // by id
	alike [4]*spec         // that were read last, without their urls
	read  int              // how many were
}

// New returns a Runner.
func New(o Options) *Runner {
	if o.Guard == nil {
		o.Guard = &resources.Guard{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Budgets == nil {
		o.Budgets = resources.NewBudgets(func() int { return 1 }, o.Meter)
	}
	if o.Clients == nil {
		o.Clients = post.NewClients(o.Guard)
	}
	return &Runner{
		sinks: o.Sinks, book: o.Book, clients: o.Clients, guard: o.Guard, budgets: o.Budgets, meter: o.Meter, log: o.Log,
		held: map[string]*hold{},
	}
}

// Check implements cluster.Runner: it says what is wrong with a spec, without looking at files or the network.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := readSpec(raw)
	return err
}

// Run implements cluster.Runner: it keeps the websocket open until ctx ends. It returns a permanent error when
// the spec is wrong or the other side closed with a code that the spec calls fatal; every other trouble it
// reports and tries again.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	var h *hold
	var err error
	resources.Apart(func() { h, err = r.newHold(ctx, c) })
	if err != nil {
		return cluster.Permanent(err)
	}
	connected := false
	defer func() { h.end(connected) }()
	for {
		why, worked := h.connect()
		connected = worked > 0
		if err := resources.Cause(ctx); err != nil {
			return err
		}
		if why.pace == paceNever {
			return cluster.Permanent(why)
		}
		connected = false
		var delay time.Duration
		resources.Apart(func() { delay = h.lost(why, worked) })
		if err := resources.Wait(ctx, delay); err != nil {
			return err
		}
	}
}

// hold is one resource for the time of one run.
type hold struct {
	*Runner
	ctx     context.Context
	url     string
	spec    *spec // all else that it says, which others may share
	key     cluster.Key
	epoch   int64
	node    string
	report  func(cluster.Condition)
	seq     uint64 // of the last message
	buffer  buffer
	backoff resources.Backoff
	callers *callers       // nil: nobody is called before a connection
	memory  *memory        // nil: nothing is resumed
	pace    *rate.Limiter  // of messages that are sent; nil: none
	gap     *resources.Gap // that the sink has not been told of; nil: none

	live atomic.Pointer[session] // that messages can be sent on

	mu      sync.Mutex        // protects what is shown
	shows   cluster.Condition // of the connection
	full    bool              // the reader waits for the sink
	trouble error             // of the sink
	shown   string
}

func (r *Runner) newHold(ctx context.Context, c cluster.Claim) (*hold, error) {
	spec, err := readSpec(c.Spec)
	if err != nil {
		return nil, err
	}
	url := spec.URL
	spec = r.share(spec)
	h := &hold{
		Runner: r,
		ctx:    ctx,
		url:    url,
		spec:   spec,
		key:    c.Key,
		epoch:  c.Epoch,
		node:   c.Node,
		report: c.Report,
		backoff: resources.Backoff{
			Initial:     time.Duration(spec.Reconnect.Initial),
			Max:         time.Duration(spec.Reconnect.Max),
			Multiplier:  spec.Reconnect.Multiplier,
			Jitter:      spec.Reconnect.Jitter,
			StableAfter: time.Duration(spec.Reconnect.StableAfter),
		},
		callers: r.newCallers(spec, url),
		gap:     resources.GapBefore(c),
	}
	h.memory = newMemory(spec.Resume, r.book, c, func(what string, err error) { h.logged().Warn(what, "err", err) })
	if spec.SendRate != (resources.Rate{}) {
		h.pace = rate.NewLimiter(rate.Limit(spec.SendRate.PerSecond()), 1)
	}
	if past := c.Past; past != nil && past.Attempts > 0 {
		h.backoff.Failures = past.Attempts
		h.shows.Err, h.shows.Attempts = past.Err, past.Attempts
	}
	h.buffer.spec = spec.Buffer
	h.buffer.sink = r.sinks.Open(spec.Sink, h.sinkTrouble)
	h.buffer.drop = func(reason string, n int) { r.meter.Drop(Kind, reason, n) }
	h.buffer.blocked = h.sinkFull
	if h.memory != nil {
		h.buffer.sent = h.memory.sent
	}
	r.enter(h)
	return h, nil
}

// share takes the url out of a spec and returns one of those read lately that says the same, if there is one: of thousands of resources most
// differ in nothing else, and a spec takes a kilobyte.
func (r *Runner) share(s *spec) *spec {
	s.URL = ""
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.alike {
		if reflect.DeepEqual(other, s) {
			return other
		}
	}
	r.alike[r.read%len(r.alike)] = s
	r.read++
	return s
}

// lost reports why a connection is no more and returns how long to wait.
func (h *hold) lost(why *ended, worked time.Duration) time.Duration {
	delay := h.spec.delay(why, &h.backoff, worked)
	h.logged().Warn("connection lost", "state", why.state, "retry_in", delay.Round(time.Millisecond), "err", why)
	h.show(cluster.Condition{State: why.state, Err: why, Attempts: h.backoff.Failures, NextTry: time.Now().Add(delay)})
	return delay
}

// end joins what was started and takes the resource out of the figures. connected tells that it was connected until now.
func (h *hold) end(connected bool) {
	h.leave(h)
	h.buffer.join()
	h.buffer.sink.Close()
	h.memory.close(connected)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.meter.Connection(Kind, h.shown, "")
	h.shown = ""
}

// logged returns the logger with what tells the resources apart. It is made anew each time: kept, it would cost each
// resource some hundred bytes.
func (h *hold) logged() *slog.Logger {
	return h.log.With("kind", Kind, "resource", h.key.ID, "epoch", h.epoch, "url", resources.RedactURL(h.home()))
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

// sinkFull is told whether the reader waits for room in the buffer.
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
	h.meter.Connection(Kind, h.shown, c.State)
	h.shown = c.State
	h.report(c)
}
