// Package redis is the kind of resource that follows channels or a stream of somebody else's redis server and hands what it receives
// to a sink.
//
//	pubsub, pattern, sharded                                      stream
//
//	resource ─┐ subscribes                                        resource: cursor in etcd
//	resource ─┼──▶ hub: one connection per server,                    │
//	resource ─┘    user and database ──┐                              ▼
//	   ▲                               │                          XREAD from the cursor ──▶ sink ──▶ cursor
//	   └──── buffer of each ◀──────────┘ messages                     ▲                                 │
//	           └──▶ sink                                              └─────────────────────────────────┘
//
// It reports the states that package resources names: waiting, connecting, connected, sink_blocked, backing_off, silent and
// auth_failed.
//
// What is promised:
//
//   - Thousands of resources that follow channels of a server as the same user share one connection. None can hold up the others: not
//     by a slow sink, a channel that it may not read, or a message that is too long.
//   - What redis does not keep for subscribers can be missed, and that is told: after each loss of the connection, each move to another
//     node and each message dropped for want of room there is a gap, from when to when.
//   - A stream is read on from where the sink has taken it, by whichever node holds it: an entry is handed to the sink at least once, under
//     the id that redis gave it. What was trimmed before it was read is told as a gap.
//   - Not a byte is sent to the sink once the context's Err is not nil, and Run returns as soon as the sink does.
//   - Memory is bounded: by max_payload for a message, by buffer for those that wait.
package redis

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "redis"

// Options say what the redis resources of a node share. Sinks and Book are required.
type Options struct {
	Sinks   *sink.Set
	Book    *state.Book        // keeps the cursors
	Dialer  *redisconn.Dialer  // nil: under the strictest guard
	Budgets *resources.Budgets // nil: those of a node that is alone
	Meter   resources.Meter
	Log     *slog.Logger // nil: none
}

// Runner holds redis resources. It implements cluster.Runner.
type Runner struct {
	sinks   *sink.Set
	book    *state.Book
	dialer  *redisconn.Dialer
	budgets *resources.Budgets
	meter   resources.Meter
	log     *slog.Logger

	mu   sync.Mutex // protects hubs, and the count of those that use each
	hubs map[site]*hub
}

// New returns a Runner.
func New(o Options) *Runner {
	if o.Dialer == nil {
		o.Dialer = redisconn.NewDialer(nil)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Budgets == nil {
		o.Budgets = resources.NewBudgets(func() int { return 1 }, o.Meter)
	}
	return &Runner{
		sinks: o.Sinks, book: o.Book, dialer: o.Dialer, budgets: o.Budgets, meter: o.Meter, log: o.Log, hubs: map[site]*hub{},
	}
}

// Check implements cluster.Runner: it says what is wrong with a spec, without looking at files or the network.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := readSpec(raw)
	return err
}

// Run implements cluster.Runner: it follows the channels or the stream until ctx ends. It returns a permanent error when the spec is
// wrong; every other trouble it reports and tries again.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	h, err := r.newHold(ctx, c)
	if err != nil {
		return cluster.Permanent(err)
	}
	defer h.end()
	if h.spec.Mode == modeStream {
		return h.tail()
	}
	return h.follow()
}
