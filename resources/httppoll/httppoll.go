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
	"errors"
	"log/slog"
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
	Log   *slog.Logger // nil: none
}

// Runner polls. It implements cluster.Runner.
type Runner struct{ o Options }

// New returns a Runner.
func New(o Options) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{o: o}
}

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
	for {
		if err := resources.Wait(ctx, time.Until(h.next)); err != nil {
			return err
		}
		resources.Apart(func() { err = h.poll() })
		if err != nil {
			return err
		}
	}
}

// hold is one resource for the time of one run. Its methods are called by one goroutine at a time.
type hold struct {
	*Runner
	ctx    context.Context // while it lasts, something new may be begun
	claim  cluster.Claim   // without its spec
	spec   *spec
	puller *pull.Puller
	pacer  *pull.Pacer
	sink   sink.Sink
	kept   *state.Page

	record  record // as it lies in the store, but for what is not worth a write
	written time.Time
	window  *window
	seq     uint64 // of the last message
	next    time.Time
	shows   cluster.Condition // but for trouble with the sink
	blocked bool              // by the sink
}

func (r *Runner) begin(ctx context.Context, c cluster.Claim) (*hold, error) {
	s, err := readSpec(c.Spec)
	if err != nil {
		return nil, cluster.Permanent(err)
	}
	now := time.Now()
	h := &hold{
		Runner: r, ctx: ctx, claim: c, spec: s, puller: r.o.Pulls.Open(&s.Spec, c), pacer: pull.NewPacer(&s.Spec, c, now),
		kept: r.o.Book.Page(c), shows: cluster.Condition{State: pull.StateReady},
	}
	h.claim.Spec, h.claim.Past = nil, nil // they are read; thousands of specs are not to be kept in memory twice
	h.sink = r.o.Sinks.Open(s.Sink, h.sinkTrouble)
	records, err := h.kept.Load(c.Held)
	if err != nil {
		return nil, err
	}
	if err := h.takeUp(records); err != nil {
		return nil, err
	}
	h.next = h.pacer.First(now, h.record.At)
	if c.Past != nil {
		h.shows = *c.Past
		h.shows.NextTry = h.next
	}
	h.claim.Report(h.shows)
	return h, nil
}

// poll makes one poll, reports how it went, and sets when the next one is due. An error ends the run.
func (h *hold) poll() error {
	began := time.Now()
	r := h.newRound(began)
	err := r.run()
	now := time.Now()
	var why *pull.Trouble
	switch {
	case h.ctx.Err() != nil:
		return resources.Cause(h.ctx)
	case errors.As(err, &why):
		h.next = h.pacer.Failed(now, why.Asked)
		h.show(cluster.Condition{State: why.State, Err: why, Attempts: h.pacer.Failures, NextTry: h.next})
		return nil
	case err != nil:
		return err
	}
	h.next = h.pacer.Next(began, now, r.asked)
	if r.partial != nil {
		h.show(cluster.Condition{State: StatePartial, Err: r.partial})
		return nil
	}
	h.show(cluster.Condition{State: pull.StateReady})
	return nil
}

// show reports how polling goes.
func (h *hold) show(c cluster.Condition) {
	if c.Err != nil {
		h.o.Log.Warn("poll", "kind", Kind, "resource", h.claim.Key.ID, "epoch", h.claim.Epoch, "url", resources.RedactURL(h.spec.URL),
			"state", c.State, "next", time.Until(h.next).Round(time.Millisecond), "err", c.Err)
	}
	if c.Err == nil && c.State == h.shows.State {
		return
	}
	h.shows = c
	h.claim.Report(c)
}

// sinkTrouble is told how attempts to send went, from within Send.
func (h *hold) sinkTrouble(err error) {
	switch {
	case err != nil:
		h.claim.Report(cluster.Condition{State: resources.StateSinkBlocked, Err: err})
	case h.blocked:
		h.claim.Report(h.shows)
	}
	h.blocked = err != nil
}
