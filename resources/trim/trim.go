// Package trim is the kind of resource that keeps the store tidy: there is one, trim/topics, which one node holds like any other.
//
//	webhooks: specs, cursors ─▶ readers ─┐
//	ages: what is how old ───────────────┼─▶ pass over the log ─▶ delete
//	topics/… , keys alone ───────────────┘
//
// What is promised:
//
//   - An event that some webhook has not passed, or that its ledger names, stays until it is older than max_retention or there are more
//     than max_events. Then it goes, the oldest first and after all that everybody has passed, and log, metric and status say so.
//   - No wall clock is asked. An event is as old as the time that holders of this resource have counted since it was there, on clocks that
//     nobody can set; so it may stay longer than it must, and never goes sooner.
//   - Everything is deleted under the holder's epoch, and only as it was when that was decided.
//   - What is kept of a resource that was removed goes after a while, unless it is put again.
//   - A log of any length is gone through in the same memory, and an empty one costs a look now and then and no write.
package trim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "trim"

// Key is the one resource there is of this kind.
var Key = cluster.Key{Kind: Kind, ID: "topics"}

// Options say what the resource works on. Store and Book are required.
type Options struct {
	Store  *lease.Store
	Book   *state.Book
	Clock  func() cluster.Instant // default: lease.Boottime
	Meter  resources.Meter
	Logger *slog.Logger // nil: none
}

// Runner holds the resource. It implements cluster.Runner.
type Runner struct {
	store  *lease.Store
	book   *state.Book
	clock  func() cluster.Instant
	meter  resources.Meter
	logger *slog.Logger
}

// New returns a Runner.
func New(o Options) *Runner {
	if o.Clock == nil {
		o.Clock = lease.Boottime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{store: o.Store, book: o.Book, clock: o.Clock, meter: o.Meter, logger: o.Logger}
}

// Provide puts the resource if there is none, with the default spec; what somebody has put stays as it is.
func Provide(ctx context.Context, store *lease.Store) error {
	path := cluster.ResourcePath(Key)
	_, err := store.Commit(ctx, []cluster.Op{{If: []cluster.Guard{{Path: path}}, Path: path, Value: Default()}})
	if err != nil {
		return fmt.Errorf("put %s: %w", Key, err)
	}
	return nil
}

// Check implements cluster.Runner: it says what is wrong with a spec.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := readSpec(raw)
	return err
}

// hold is the resource for the time of one run. It belongs to the goroutine of Run.
type hold struct {
	*Runner
	claim   cluster.Claim
	spec    *spec
	page    *state.Page
	perPass int // maxPass

	ages    ages
	counted cluster.Instant  // ages has counted the time up to here
	kept    cluster.Duration // what it had counted when it was last written down

	passed int64 // all that was due up to this revision is gone
	needed bool  // some events stay only since somebody needs them
	lost   error // what was deleted though somebody needed it, in the last pass
	left   map[cluster.Key]*leftover
	tidied cluster.Instant // when left was looked for
}

// Run implements cluster.Runner: it trims until ctx ends. It returns a permanent error when the spec is wrong.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	s, err := readSpec(c.Spec)
	if err == nil && c.Key != Key {
		err = fmt.Errorf("hold %s: the only resource of this kind is %s; delete this one", c.Key, Key)
	}
	if err != nil {
		return cluster.Permanent(err)
	}
	h, err := r.open(s, c)
	if err != nil {
		return err
	}
	defer h.page.Close()
	every := time.NewTicker(time.Duration(s.Every))
	defer every.Stop()
	for {
		more, err := h.round(ctx)
		if stopping := resources.Cause(ctx); stopping != nil {
			return errors.Join(stopping, h.keep())
		}
		if err != nil {
			return errors.Join(err, h.keep())
		}
		h.show()
		if more {
			continue
		}
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
}

// open begins a run where the one before has ended.
func (r *Runner) open(s *spec, c cluster.Claim) (*hold, error) {
	h := &hold{
		Runner: r, claim: c, spec: s, page: r.book.Page(c), perPass: maxPass, counted: r.clock(), left: map[cluster.Key]*leftover{},
	}
	records, err := h.page.Load(c.Held)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		if rec.Name != agesName {
			continue
		}
		if err := json.Unmarshal(rec.Value, &h.ages); err != nil {
			return nil, fmt.Errorf("read how old events are: state %q is not as drm writes it; delete it: %w", rec.Name, err)
		}
		h.ages.forget(rec.Rev)
	}
	h.kept = h.ages.Counted
	return h, nil
}

// agesName is where the ages lie in the state of the resource.
const agesName = "ages"

// round looks once, and does what is to be done.
func (h *hold) round(ctx context.Context) (more bool, err error) {
	n, rev, err := h.store.Count(ctx, lease.Range{Below: events.Root})
	if err != nil {
		return false, fmt.Errorf("count events: %w", err)
	}
	now := h.count()
	if n > 0 && h.ages.mark(rev, h.spec) {
		// A store that is full refuses this, and takes deletions, which are what it needs then.
		if err := h.keep(); err != nil && !errors.Is(err, cluster.ErrRefused) {
			return false, err
		}
	}
	if ripe := h.ages.before(time.Duration(h.spec.Retention)); n > int64(h.spec.MaxEvents) || n > 0 && (h.needed || ripe > h.passed) {
		if more, err = h.pass(ctx); err != nil {
			return false, err
		}
	}
	if !more && now.Sub(h.tidied) >= time.Duration(h.spec.Grace)/2 {
		h.tidied = now
		err = h.tidy(ctx, now)
	}
	return more, err
}

// count counts the time since it was last called.
func (h *hold) count() cluster.Instant {
	now := h.clock()
	h.ages.Counted += cluster.Duration(now.Sub(h.counted))
	h.counted = now
	return now
}

// keep writes down how old what is, if there is anything to tell.
func (h *hold) keep() error {
	h.count()
	if len(h.ages.Marks) == 0 || h.kept == h.ages.Counted || h.claim.Held.Err() != nil {
		return nil
	}
	value, err := json.Marshal(h.ages)
	if err != nil {
		return fmt.Errorf("encode how old events are: %w", err)
	}
	if err := h.page.Write(h.claim.Held, state.Change{Name: agesName, Value: value}); err != nil {
		return err
	}
	h.kept = h.ages.Counted
	return nil
}

// fence is the guard by which only the holder deletes.
func (h *hold) fence() cluster.Guard {
	return cluster.Guard{Path: cluster.ClaimPath(h.claim.Key), Rev: h.claim.Epoch}
}

// commit makes deletions whose first guard is the fence, and returns how many were made: what has changed since it was looked at stays.
func (h *hold) commit(ctx context.Context, ops []cluster.Op) (done int, err error) {
	answer, err := h.store.Commit(ctx, ops)
	if err != nil {
		return 0, err
	}
	for _, result := range answer.Results {
		if result.Done {
			done++
		} else if claim := result.Read[0]; claim.Deleted || claim.Rev != h.claim.Epoch {
			return done, state.ErrFenced
		}
	}
	return done, nil
}

// The states of the resource.
const (
	stateTrimming = "trimming"
	stateLosing   = "losing" // events were deleted that not every webhook has delivered
)

// show reports how the log fares.
func (h *hold) show() {
	c := cluster.Condition{State: stateTrimming}
	if h.lost != nil {
		c = cluster.Condition{State: stateLosing, Err: h.lost}
	}
	h.claim.Report(c)
}
