// Package httppoll is the kind of resource that asks an HTTP API again and again, and hands what is new to a sink.
//
//	timer ─▶ request, with ETag and cursor ─▶ page ─▶ items not seen before ─▶ sink ─▶ record: ETag, cursor, seen
//	  ▲                                        │ next page
//	  └──────────────── next time ◀────────────┘
//
// What is promised:
//
//   - Delivery is at least once. What a poll has found is on record only after the sink has taken it, in one write under the epoch of the claim:
//     validators, cursor and what was seen. A holder that ends between the two has its successor find the same things again, and send
//     them under the same ids.
//   - A cursor only moves on at the end of a poll that went well. Whatever goes wrong before, it stays.
//   - What was on record goes with the resource to whatever node holds it next: a 304 stays a 304.
//   - Nothing is asked and nothing is sent once the context's Err is not nil, and no two requests of a resource are ever under way at once.
//   - Memory is bounded by max_body for each page, and between polls by 8 bytes for each of dedupe.max items.
//   - A poll that finds nothing new writes nothing, but for the time of the last poll once in ten minutes, of long intervals, and an ETag that
//     changes though nothing else does, as often.
//
// When to poll, and how to ask, is package pull's. The round (round.go, next.go) is one poll, a page tells what an answer holds
// (page.go), the window what was seen (window.go), and the record what lies in the store (record.go).
package httppoll

import (
	"context"
	"encoding/json"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "http_poll"

// StatePartial is the state of a poll that went through, but not for all that there was. The others are those of package pull.
const StatePartial = "partial"

// Options say what the polls of a node share. Pulls, Sinks and Book are required.
type Options struct {
	Pulls *pull.Set
	Sinks *sink.Set
	Book  *state.Book
	Meter resources.Meter
}

// Runner polls. It implements cluster.Runner.
type Runner struct{ o Options }

// New returns a Runner.
func New(o Options) *Runner { return &Runner{o: o} }

// Check implements cluster.Runner: it says what is wrong with a spec, without looking at files or the network.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := readSpec(raw)
	return err
}

// Run implements cluster.Runner: it polls until ctx ends. It returns a permanent error when the spec is wrong, and others when what it has to
// keep can't be read or written; all trouble with the server or the sink it reports, and tries again.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	var h *hold
	var err error
	resources.Apart(func() { h, err = r.begin(ctx, c) })
	if err != nil {
		return err
	}
	defer h.sink.Close()
	return h.loop.Run(h.poll)
}

// hold is one resource for the time of one run. Its methods are called by one goroutine at a time.
type hold struct {
	*Runner
	ctx    context.Context // while it lasts, something new may be begun
	claim  cluster.Claim   // without its spec
	spec   *spec
	loop   *pull.Loop
	puller *pull.Puller
	sink   sink.Sink
	kept   *state.Page

	record  record // as it lies in the store, but for what is not worth a write
	written time.Time
	window  *window
	seq     uint64 // of the last message
}

func (r *Runner) begin(ctx context.Context, c cluster.Claim) (*hold, error) {
	s, err := readSpec(c.Spec)
	if err != nil {
		return nil, cluster.Permanent(err)
	}
	h := &hold{Runner: r, ctx: ctx, claim: c, spec: s, puller: r.o.Pulls.Open(&s.Spec, c), kept: r.o.Book.Page(c)}
	h.claim.Spec, h.claim.Past = nil, nil // they are read; thousands of specs are not to be kept in memory twice
	records, err := h.kept.Load(c.Held)
	if err != nil {
		return nil, err
	}
	if err := h.takeUp(records); err != nil {
		return nil, err
	}
	h.loop = r.o.Pulls.Loop(ctx, &s.Spec, c, h.record.At)
	h.sink = r.o.Sinks.Open(s.Sink, h.loop.SinkTrouble)
	return h, nil
}

// poll makes one poll.
func (h *hold) poll(began time.Time) (pull.Outcome, error) {
	r := h.newRound(began)
	err := r.run()
	return pull.Outcome{State: StatePartial, Err: r.partial, Asked: r.asked}, err
}
