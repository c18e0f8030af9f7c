// Package source is the kind of resource that lists other resources: it asks a url for entries, and sees to it that there is a resource for
// each, and none for what is listed no more.
//
//	url ─▶ entries ─▶ wishes ─┐
//	                          ├─▶ plan ─▶ edits: put, update, remove, each with its record, under the source's epoch
//	resources, records ───────┘
//
// What is promised:
//
//   - What it has put is on record: a hash of the spec, written and deleted in one transaction with the resource. A resource is the source's own as
//     long as its spec is the one on record. So a crash at any point neither leaves a resource without its record nor takes one from anybody.
//   - What is not its own it never touches: neither a resource that was there before, nor one that somebody has changed since. It is said.
//   - Of its own it removes no more than max_removal at once: a list that comes back empty is more often a fault than a wish. It is said, and all else
//     goes on.
//   - An entry that is no good is refused alone, and what there is under its id stays as it was.
//   - A list that didn't come whole changes nothing.
//   - A source that is removed leaves its resources as they are.
//
// Of memory it takes a few times the size of the list while it compares, and none between polls.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/state"
)

// Kind is what resources of this package are called in keys.
const Kind = "source"

// StatePartial is the state of a source of whose list not all could be done. The others are those of package pull.
const StatePartial = "partial"

// Options say what the sources of a node share. All but Meter are required.
type Options struct {
	Pulls *pull.Set
	Book  *state.Book
	// Kinds are those of which resources can be listed; Check says what is wrong with a spec of one of them.
	Kinds []string
	Check func(kind string, spec json.RawMessage) error
	Meter resources.Meter
}

// Runner holds sources. It implements cluster.Runner.
type Runner struct{ o Options }

// New returns a Runner.
func New(o Options) *Runner { return &Runner{o: o} }

// Check implements cluster.Runner: it says what is wrong with a spec, without looking at files or the network.
func (r *Runner) Check(raw json.RawMessage) error {
	_, err := r.readSpec(raw)
	return err
}

// Run implements cluster.Runner: it keeps resources as they are listed until ctx ends. It returns a permanent error when the spec is wrong, and
// state.ErrFenced when its claim is another's; all other trouble it reports, and tries again.
func (r *Runner) Run(ctx context.Context, c cluster.Claim) error {
	var h *hold
	var err error
	resources.Apart(func() { h, err = r.begin(ctx, c) })
	if err != nil {
		return err
	}
	return h.loop.Run(h.poll)
}

// hold is one source for the time of one run. Its methods are called by one goroutine at a time.
type hold struct {
	*Runner
	ctx    context.Context
	claim  cluster.Claim // without its spec
	spec   *spec
	loop   *pull.Loop
	puller *pull.Puller
	page   *state.Page

	// What was listed last, and what came of it. Nothing more would, before the list or the resources change, unless done is zero.
	validators pull.Validators
	sum        digest // of the body
	done       time.Time
	outcome    pull.Outcome
}

func (r *Runner) begin(ctx context.Context, c cluster.Claim) (*hold, error) {
	s, err := r.readSpec(c.Spec)
	if err != nil {
		return nil, cluster.Permanent(err)
	}
	h := &hold{Runner: r, ctx: ctx, claim: c, spec: s, puller: r.o.Pulls.Open(&s.Spec, c), page: r.o.Book.Page(c)}
	h.claim.Spec, h.claim.Past = nil, nil // they are read
	h.loop = r.o.Pulls.Loop(ctx, &s.Spec, c, time.Time{})
	return h, nil
}

// poll asks for the list, and does what follows from it. A list that has not changed is compared with what there is once in a recheck.
func (h *hold) poll(began time.Time) (pull.Outcome, error) {
	var v pull.Validators
	settled := !h.done.IsZero() && began.Sub(h.done) < time.Duration(h.spec.Recheck)
	if settled {
		v = h.validators
	}
	a, err := h.puller.Get(h.ctx, h.spec.URL, v)
	if err != nil {
		return pull.Outcome{}, err
	}
	h.outcome.Asked = a.Asked
	if a.Unchanged || settled && digestOf(a.Body) == h.sum {
		return h.outcome, nil
	}
	entries, err := h.spec.list(a)
	if err != nil {
		return pull.Outcome{}, h.trouble("poll "+resources.RedactURL(h.spec.URL), err)
	}
	h.validators, h.sum, h.done = a.Validators, digestOf(a.Body), time.Time{}
	problems, err := h.follow(h.spec.wishes(entries))
	switch {
	case errors.Is(err, state.ErrFenced):
		return pull.Outcome{}, err
	case err != nil: // what was not written, or may have been, is found out the next time
		return pull.Outcome{}, h.trouble("follow the list", err)
	}
	if !slices.ContainsFunc(problems, func(p problem) bool { return errors.Is(p.err, errMeanwhile) }) {
		h.done = began
	}
	h.outcome = pull.Outcome{State: StatePartial, Err: summary(problems), Asked: a.Asked}
	return h.outcome, nil
}

func (h *hold) trouble(what string, err error) error {
	return &pull.Trouble{State: resources.StateBackingOff, Asked: h.outcome.Asked, Err: fmt.Errorf("%s: %w", what, err)}
}

// follow does what is wished, as far as it may, and returns what it could not. What somebody changes meanwhile is left for the next time.
func (h *hold) follow(wishes map[cluster.Key]wish) (problems []problem, err error) {
	owned, err := h.records()
	if err != nil {
		return nil, err
	}
	there, err := h.resources(owned)
	if err != nil {
		return nil, err
	}
	p := h.plan(wishes, there, owned)
	for _, c := range []struct {
		name  string
		edits []state.Edit
	}{
		{resources.SourceAdded, p.add}, {resources.SourceUpdated, p.update}, {resources.SourceRemoved, p.remove}, {"", p.forget},
	} {
		made, err := h.page.Edit(h.ctx, c.edits)
		done := 0
		for i, ok := range made {
			if ok {
				done++
				continue
			}
			p.problems = append(p.problems, problem{c.edits[i].Key, errMeanwhile})
		}
		h.o.Meter.Source(c.name, done)
		if err != nil {
			return nil, err
		}
	}
	h.o.Meter.Source(resources.SourceRefused, len(p.problems))
	return p.problems, nil
}

var errMeanwhile = errors.New("somebody changed it at this moment; it is looked at again at the next poll")

// problem is why something that was listed was not done.
type problem struct {
	key cluster.Key // zero: it is about the list
	err error
}

// summary makes one error of problems: the first few, and how many there are.
func summary(problems []problem) error {
	if len(problems) == 0 {
		return nil
	}
	const shown = 3
	texts := make([]string, 0, shown)
	slices.SortStableFunc(problems, func(a, b problem) int { return strings.Compare(a.key.ID, b.key.ID) })
	for _, p := range problems[:min(shown, len(problems))] {
		if p.key.ID == "" {
			texts = append(texts, p.err.Error())
			continue
		}
		texts = append(texts, fmt.Sprintf("%q: %v", p.key.ID, p.err))
	}
	if more := len(problems) - shown; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(texts, "; "))
}
