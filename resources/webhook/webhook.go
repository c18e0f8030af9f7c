// Package webhook is the kind of resource that calls a url once for each event of some topics.
//
//	topics ─▶ source ▶ lane ──intent──▶ ledger ──▶ POST ──outcome──▶ lane ──▶ ledger
//	                   ▲                                             │ waiting, in doubt, dead
//	                   └──────────────── due, replayed ──────────────┘
//
// What is promised:
//
//   - Before a byte of an event is sent, the intent to send it is on record under the epoch of the claim, and after the attempt, its
//     outcome. What a holder that ended left without outcome is in doubt for the next one: it was sent, or it was not.
//   - An attempt is in doubt only from the moment that a connection was there to send on. Before that it was certainly not sent, and is
//     made again in every mode.
//   - Every event is delivered, or on record with its reason: waiting, in doubt or dead. Disabling a webhook loses nothing but what the
//     log itself forgets.
//   - Nothing is sent once the webhook is not held any more, and the epoch goes along as header drm-fence, so that a receiver can refuse
//     whatever a paused process had in its buffers.
//   - A webhook without events writes nothing.
//
// No sender can promise more. A request that got no answer may have been taken or not, and only the receiver knows: it can tell by the
// webhook-id, which stays the same in every attempt.
//
// The ledger (ledger.go) is what lies in the store. The lane (lane.go, settle.go, record.go, pace.go, operator.go) decides and does nothing
// else, so that all of it can be tested without network or clock. The hold (hold.go, deliver.go) does what it says, and the sender (sender.go, ask.go, payload.go) makes the requests.
package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "webhook"

// Options say what the webhooks of a node share. Log, Book, Clients and NATS are required.
type Options struct {
	Log     *events.Log
	Book    *state.Book
	Clients *post.Clients
	NATS    *natsconn.Conns
	Agent   string // what the requests call themselves, such as drm/1.2.0
	Host    string // for whom a receiver is asked for leave
	Meter   resources.Meter
	Logger  *slog.Logger // nil: none
}

// Runner holds webhooks. It implements cluster.Runner.
type Runner struct {
	log     *events.Log
	book    *state.Book
	clients *post.Clients
	nats    *natsconn.Conns
	ackWait time.Duration // of streams; 0: the default
	agent   string
	host    string
	meter   resources.Meter
	logger  *slog.Logger
}

// New returns a Runner.
func New(o Options) *Runner {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{log: o.Log, book: o.Book, clients: o.Clients, nats: o.NATS, agent: o.Agent, host: o.Host, meter: o.Meter, logger: o.Logger}
}

// Check implements cluster.Runner: it says what is wrong with a spec, without looking at files or the network.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := readSpec(raw)
	return err
}

// Run implements cluster.Runner: it delivers until ctx ends, and then waits for the answers to what it has sent, as long as the webhook
// is held. It returns a permanent error when the spec is wrong.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	s, err := readSpec(c.Spec)
	if err != nil {
		return cluster.Permanent(err)
	}
	page := r.book.Page(c)
	defer page.Close()
	from := r.source(s, c.Key)
	defer from.Close()
	h := &hold{
		Runner: r, ctx: ctx, claim: c, spec: s, page: page, sender: newSender(s, r.clients, r.agent, r.host),
		fetched: make(chan fetched, 1), written: make(chan error, 1), refused: make(chan error, 1), ended: make(chan attempt, s.Concurrency),
		leaves: make(chan leave, 1), allowed: s.Validate == validateNone,
		source:   from,
		patience: resources.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second},
	}
	h.lane = newLane(s, c.SpecRev, h.tell)
	if c.Past != nil && c.Past.State == stateMissed {
		h.missed = c.Past.Err
	}
	h.claim.Spec = nil
	records, err := page.Load(c.Held)
	if err != nil {
		return err
	}
	found, err := readLedger(records)
	if err != nil {
		return err
	}
	h.lane.takeover(found, time.Now())
	if found.cursor == nil || found.cursor.Source != s.Source.name() {
		h.lane.at, h.lane.stale = events.Position{}, true
		if s.Start == startNow {
			h.lane.at, err = from.Origin(c.Held)
		}
	}
	if err != nil {
		return err
	}
	return h.run()
}
