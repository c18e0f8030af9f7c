package resources

import "time"

// Meter is how resources and sinks count what they do. Each field is told one thing and may be nil: the zero
// Meter counts nothing. The functions are called from many goroutines and must not block. Every label
// comes from a bounded set, so that a counter can start at 0 for each: see States, ConnectResults,
// DropReasons, SinkNames, BlockReasons, AttemptResults, Fates,
// BreakerStates, PollResults, SourceChanges and TrimReasons.
type Meter struct {
	// Connections adds n (1 or -1) to the connections of a kind that are in a state.
	Connections func(kind, state string, n int)
	// Connects counts one attempt to connect.
	Connects func(kind, result string)
	// Throttled tells for how long somebody has waited for a turn to connect.
	Throttled func(time.Duration)
	// Received counts one message that came in, before it is known whether it can be delivered.
	Received func(kind string)
	// Dropped counts n messages that came in and will not be delivered.
	Dropped func(kind, reason string, n int)
	// Missed counts one gap: a time, 0 if it is not known, in which messages may have been missed.
	Missed func(kind string, length time.Duration)
	// Sent tells of one attempt to hand messages to a sink: how long it took and whether they were taken.
	Sent func(sink string, took time.Duration, ok bool)
	// Blocked counts one connection that the egress guard refused.
	Blocked func(reason string)
	// Attempts tells of one attempt to deliver an event: what came of it, and how long it took.
	Attempts func(result string, took time.Duration)
	// Deliveries counts what became of an event.
	Deliveries func(fate string)
	// Lags tells how long after it happened an event was delivered, by the clocks of publisher and node.
	Lags func(time.Duration)
	// Doubts adds n to the deliveries of which it is not known whether they arrived.
	Doubts func(n int)
	// Disabled adds n (1 or -1) to the webhooks that deliver nothing until somebody mends them.
	Disabled func(n int)
	// Breakers adds n (1 or -1) to the webhooks whose breaker is in a state.
	Breakers func(state string, n int)
	// Polls tells of one request of a poll: what came of it, and how long it took.
	Polls func(kind, result string, took time.Duration)
	// Sourced counts n changes that a source made, or refused to make.
	Sourced func(change string, n int)
	// Gaps counts one gap: events that were deleted before they were delivered.
	Gaps func()
	// Trimmed counts n events that were deleted from the log.
	Trimmed func(reason string, n int)
}

// The states of a connection, the same for every kind that keeps one.
const (
	StateWaiting     = "waiting"      // for its turn to connect, see connect_limit
	StateConnecting  = "connecting"   // dialling, or shaking hands
	StateConnected   = "connected"    // open, and heard from in time
	StateSinkBlocked = "sink_blocked" // open, but the sink takes nothing for now
	StateBackingOff  = "backing_off"  // waits before the next attempt
	StateSilent      = "silent"       // the same, since nothing more was heard from the other side
	StateAuthFailed  = "auth_failed"  // the same, since the other side refused our credentials or path
)

// States returns the states that a Meter hears of.
func States() []string {
	return []string{StateWaiting, StateConnecting, StateConnected, StateSinkBlocked, StateBackingOff, StateSilent, StateAuthFailed}
}

// How an attempt to connect ended.
const (
	ConnectOK        = "ok"
	ConnectFailed    = "failed"    // no connection, TLS or time-out
	ConnectBlocked   = "blocked"   // by the egress guard
	ConnectRejected  = "rejected"  // answered, but not with what was asked for
	ConnectAuth      = "auth"      // answered with 401, 403 or 404
	ConnectThrottled = "throttled" // answered with 429 or 503
)

// ConnectResults returns the results that a Meter hears of.
func ConnectResults() []string {
	return []string{ConnectOK, ConnectFailed, ConnectBlocked, ConnectRejected, ConnectAuth, ConnectThrottled}
}

// Why a message was dropped.
const (
	DropTooBig      = "too_big"      // above the size that the spec allows
	DropInvalidUTF8 = "invalid_utf8" // text that isn't
	DropBufferFull  = "buffer_full"  // the spec says to drop when the sink is slow
	DropRefused     = "refused"      // the sink can't take this very message, however often it is sent
	DropExpression  = "expression"   // filter or transform fails on it
	DropStopped     = "stopped"      // still in the buffer when the resource had to be let go
)

// DropReasons returns the reasons that a Meter hears of.
func DropReasons() []string {
	return []string{DropTooBig, DropInvalidUTF8, DropBufferFull, DropRefused, DropExpression, DropStopped}
}

// The sinks.
const (
	SinkEvent  = "event"
	SinkFile   = "file"
	SinkHTTP   = "http"
	SinkNATS   = "nats"
	SinkRedis  = "redis"
	SinkStdout = "stdout"
)

// SinkNames returns the sinks that a Meter hears of.
func SinkNames() []string {
	return []string{SinkEvent, SinkFile, SinkHTTP, SinkNATS, SinkRedis, SinkStdout}
}

// Why the egress guard refused an address.
const (
	BlockLoopback  = "loopback"
	BlockLinkLocal = "link_local" // most clouds' metadata services among them
	BlockMetadata  = "metadata"   // those that live in private ranges
	BlockPrivate   = "private"
	BlockStore     = "store"   // the store that drm itself runs on
	BlockSpecial   = "special" // reserved, multicast, documentation and the like
	BlockSpec      = "spec"    // the resource's own network.allow_cidrs or network.deny_cidrs
)

// BlockReasons returns the reasons that a Meter hears of.
func BlockReasons() []string {
	return []string{BlockLoopback, BlockLinkLocal, BlockMetadata, BlockPrivate, BlockStore, BlockSpecial, BlockSpec}
}

// Connection moves one connection of a kind from a state to another; "" is outside.
func (m *Meter) Connection(kind, from, to string) {
	if m.Connections == nil || from == to {
		return
	}
	if from != "" {
		m.Connections(kind, from, -1)
	}
	if to != "" {
		m.Connections(kind, to, 1)
	}
}

// Connect counts one attempt to connect.
func (m *Meter) Connect(kind, result string) {
	if m.Connects != nil {
		m.Connects(kind, result)
	}
}

// Throttle tells for how long somebody has waited for a turn to connect.
func (m *Meter) Throttle(waited time.Duration) {
	if m.Throttled != nil {
		m.Throttled(waited)
	}
}

// Receive counts one message that came in.
func (m *Meter) Receive(kind string) {
	if m.Received != nil {
		m.Received(kind)
	}
}

// Drop counts n messages that will not be delivered.
func (m *Meter) Drop(kind, reason string, n int) {
	if m.Dropped != nil && n > 0 {
		m.Dropped(kind, reason, n)
	}
}

// Miss counts one gap.
func (m *Meter) Miss(kind string, g Gap) {
	if m.Missed != nil {
		m.Missed(kind, g.Length())
	}
}

// Send counts one attempt to hand messages to a sink.
func (m *Meter) Send(sink string, took time.Duration, ok bool) {
	if m.Sent != nil {
		m.Sent(sink, took, ok)
	}
}

// Block counts one connection that the egress guard refused.
func (m *Meter) Block(reason string) {
	if m.Blocked != nil {
		m.Blocked(reason)
	}
}
