package trim

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// maxPass is how many events of each sort one pass keeps in mind, and so how many it deletes at the most: what it knows of webhooks
// is not to grow old, and its memory is bounded.
const maxPass = 20_000

// event is one that may be deleted.
type event struct {
	path   string
	at     events.Position
	passed bool // every webhook that wants its topic has, and none names it
}

// pass goes through the log once and decides what is to be deleted.
type pass struct {
	readers   *readers
	refs      *names
	most      int   // of each sort
	ripe, old int64 // up to these revisions events are older than retention and max_retention

	topic   string          // of the event before: they come topic by topic
	slowest events.Position // its slowest reader
	read    bool            // it has one

	stay   int                   // how many are not due
	needed bool                  // one of them is older than retention
	over   *events.Window[event] // of those that are due
	spare  *events.Window[event] // that stay, and which every webhook has passed
	wanted *events.Window[event] // that stay, the others
}

func newPass(most int, r *readers, refs *names, ripe, old int64) *pass {
	window := func() *events.Window[event] {
		return events.NewWindow(most, func(a, b event) int { return a.at.Compare(b.at) })
	}
	return &pass{readers: r, refs: refs, most: most, ripe: ripe, old: old, over: window(), spare: window(), wanted: window()}
}

// look takes one event of the log in.
func (p *pass) look(e events.Listed) {
	if e.Topic != p.topic {
		p.topic = e.Topic
		p.slowest, p.read = p.readers.slowest(e.Topic)
	}
	v := event{e.Path, e.At, (!p.read || e.At.Compare(p.slowest) <= 0) && !p.refs.has(e.Ref())}
	switch {
	case e.At.Rev <= p.old, v.passed && e.At.Rev <= p.ripe:
		p.over.Add(v)
		return
	case v.passed:
		p.spare.Add(v)
	default:
		p.needed = p.needed || e.At.Rev <= p.ripe
		p.wanted.Add(v)
	}
	p.stay++
}

// doom is what is to be deleted, and why, the oldest first of each.
type doom struct {
	reason string
	events []event
}

// choose decides what is to be deleted so that most events stay: first what is too old, then what every webhook has passed, and what
// some still need last. more says that not all of it fitted into one pass.
func (p *pass) choose(most int) (all []doom, more bool) {
	over, more := p.over.First()
	byAge := map[bool][]event{}
	for _, e := range over {
		byAge[e.passed] = append(byAge[e.passed], e)
	}
	excess := max(p.stay-most, 0)
	spare, _ := p.spare.First()
	spare = spare[:min(len(spare), excess)]
	excess -= len(spare)
	wanted, _ := p.wanted.First()
	if len(spare) == p.most {
		wanted = nil // there may be more that all have passed
	}
	wanted = wanted[:min(len(wanted), excess)]
	return []doom{
		{resources.TrimPassed, append(byAge[true], spare...)},
		{resources.TrimMaxRetention, byAge[false]},
		{resources.TrimMaxEvents, wanted},
	}, more || excess > len(wanted)
}

// pass deletes what may be deleted, as far as it fits into one pass.
func (h *hold) pass(ctx context.Context) (more bool, err error) {
	refs := newNames()
	r, err := survey(ctx, h.store, refs)
	if err != nil {
		return false, err
	}
	p := newPass(h.perPass, r, refs, h.ages.before(time.Duration(h.spec.Retention)), h.ages.before(time.Duration(h.spec.MaxRetention)))
	err = events.List(ctx, h.store, []string{"*"}, func(e events.Listed) error {
		p.look(e)
		return ctx.Err()
	})
	if err != nil {
		return false, err
	}
	all, more := p.choose(h.spec.MaxEvents)
	h.lost = nil
	for _, d := range all {
		if err := h.delete(ctx, d); err != nil {
			return false, err
		}
	}
	if !more {
		h.passed, h.needed = p.ripe, p.needed
	}
	return more, nil
}

// delete deletes events, and says so aloud when somebody needed them.
func (h *hold) delete(ctx context.Context, d doom) error {
	gone := 0
	defer func() {
		h.meter.Trim(d.reason, gone)
		if d.reason == resources.TrimPassed || gone == 0 {
			return
		}
		h.lost = fmt.Errorf("delete events: %d that not every webhook has delivered, from %s to %s: there is more than %s",
			gone, d.events[0].at, d.events[len(d.events)-1].at, d.reason)
		h.logger.Error("events were deleted that not every webhook has delivered", "events", gone, "reason", d.reason,
			"from", d.events[0].at.String(), "to", d.events[len(d.events)-1].at.String())
	}()
	for left := d.events; len(left) > 0; {
		n := min(len(left), cluster.MaxCommit)
		ops := make([]cluster.Op, n)
		for i, e := range left[:n] {
			ops[i] = cluster.Op{If: []cluster.Guard{h.fence(), {Path: e.path, Rev: e.at.Rev}}, Path: e.path, Delete: true}
		}
		done, err := h.commit(ctx, ops)
		if gone += done; err != nil {
			return fmt.Errorf("delete events: %w", err)
		}
		left = left[n:]
	}
	return nil
}
