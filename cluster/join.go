package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrDuplicate says that another live process has this node's id.
var ErrDuplicate = errors.New("another process runs under this node id")

// join registers the node, once the listing is complete: whoever registers has seen what there is, so that
// all plan from the same state.
func (l *Loop) join(now Instant) {
	if l.registered || l.registering || !l.listed || l.leaving {
		return
	}
	if p := l.view.peer(l.cfg.Self.ID); p != nil && p.rev != 0 {
		l.meet(p, now)
		return
	}
	l.registering = true
	term := l.term
	ctx, cancel := context.WithTimeout(term.ctx, term.timing.ttl)
	l.work.Go(func() {
		defer cancel()
		node, timing, err := term.grantNode(ctx)
		l.results <- func() {
			if err != nil {
				l.unregistered(err)
				return
			}
			term.begin(node, timing)
			if l.over == nil {
				l.grant(func(*lease, error) {}) // for own bids
				l.grant(l.register)
			}
		}
	})
}

// unregistered has the node try again after a while, under a new term.
func (l *Loop) unregistered(err error) {
	l.registering = false
	l.fail(endError, fmt.Errorf("join cluster: %w", err))
}

// register creates the node's key. It never overwrites: another term's key means that its claims may still stand.
func (l *Loop) register(intake *lease, err error) {
	if err != nil {
		l.unregistered(err)
		return
	}
	l.intake, intake.intake = intake, true
	self := l.cfg.Self
	self.Term = l.term.id
	self.TTL = Duration(l.term.timing.ttl)
	self.Planners = planners
	self.Intake = Intake{Lease: intake.id, Quota: intakeQuota}
	self.Kinds = slices.Sorted(maps.Keys(l.cfg.Runners))
	path := NodePath(self.ID)
	l.post(request{
		op: Op{If: []Guard{{path, 0}}, Path: path, Value: nodeText(self), Lease: l.term.id.Lease(0)},
		then: func(res Result, _ Answer, err error) {
			l.registering = false
			if err != nil || !res.Done {
				l.unregistered(errors.Join(errors.New("the node's key was not created"), err))
				return
			}
			l.registered, l.fruitless = true, 0
			clear(l.past) // that the key could be created proves that theirs are gone
			l.tell(Event{Type: TermStarted, Term: l.term.id, TTL: l.term.timing.ttl, Margin: l.term.timing.margin})
		},
	})
}

// meet deals with a key under this node's id that is not this term's. An earlier term whose process is proven dead,
// or that was this process's own, is revoked at once; otherwise the lease must expire first, and if somebody renews it, that
// process is alive and this one must not run.
func (l *Loop) meet(p *peer, now Instant) {
	verdict := l.cfg.Judge(p.Life)
	if l.past[p.Term] {
		verdict = Dead
	}
	switch {
	case verdict == Dead && now < l.buryAgain:
	case verdict == Dead:
		l.buryAgain = now.Add(time.Second) // by then the watch has told of it
		l.bury(p)
	case verdict == Alive && !p.Leaving:
		l.fail(endDuplicate, fmt.Errorf("%w: node %s is alive at %s (pid %d); give this one another --node",
			ErrDuplicate, p.id, p.Address, p.Life.PID))
	case l.metAt == 0 || l.metTerm != p.Term:
		l.metAt, l.metTerm = now, p.Term
		l.tell(Event{Type: TermWaiting, Node: p.id, Err: fmt.Errorf(
			"join cluster: node %s is registered from %s and can't be proven dead from here; waiting for its lease to end", p.id, p.Address)})
	case now.Sub(l.metAt) > 2*(time.Duration(p.TTL)+l.cfg.ElectionTimeout) && !p.Leaving:
		l.fail(endDuplicate, fmt.Errorf("%w: node %s at %s keeps renewing its lease; give this one another --node",
			ErrDuplicate, p.id, p.Address))
	}
}

// bury revokes the leases of a term whose process has ended, node lease first.
func (l *Loop) bury(p *peer) {
	l.registering = true
	ids := append([]LeaseID{p.Term.Lease(0), p.Intake.Lease}, l.view.leasesOf(p.Term)...)
	ctx, cancel := context.WithTimeout(l.term.ctx, l.term.timing.ttl)
	l.work.Go(func() {
		err := RevokeTerm(ctx, l.cfg.Store, ids)
		cancel()
		l.results <- func() {
			l.registering = false
			if err != nil {
				l.unregistered(err)
				return
			}
			l.tell(Event{Type: TermWaiting, Node: p.id, Err: errBuried})
		}
	})
}

var errBuried = errors.New("the leases of an earlier, dead process of this node were revoked")
