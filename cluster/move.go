package cluster

import (
	"errors"
	"time"
)

const (
	// maxMoving is how many resources a node has between two holders at once.
	maxMoving = 256
	// writesProven is how long after a guarded write got through a runner may be stopped for a move. A node that
	// can't write would stop it for nothing.
	writesProven = 3 * time.Second
)

// moving is a move decided on and not yet begun.
type moving struct {
	hold *hold
	at   Instant
}

// rebalance asks the plan what this node should give away.
func (l *Loop) rebalance(now Instant) {
	if l.leaving || !l.planned {
		return
	}
	decided := l.underWay
	for _, queue := range l.moves {
		decided += len(queue)
	}
	moves := l.view.balance(now, decided, func(s *slot) bool {
		h := l.holds[s.key]
		return h != nil && !h.busy && h.to == nil && !h.chosen && h.specRev != 0
	})
	for _, m := range moves {
		l.choose(l.holds[m.slot.key], m.to, now)
	}
	if len(moves) > 0 {
		l.tell(Event{Type: Balanced, Count: len(moves)})
	}
}

// choose has a resource moved as soon as there is room for it.
func (l *Loop) choose(h *hold, to *peer, now Instant) {
	h.chosen = true
	l.moves[to] = append(l.moves[to], moving{h, now})
}

// pump begins moves, no more at once than can be under way and than their targets have credit for: a resource
// waits with its runner going, not without one. What can begin is at the front of its queue, so a turn doesn't look at the
// rest.
func (l *Loop) pump(now Instant) {
	l.land()
	l.acknowledge()
	emptying := l.emptying()
	switch {
	case emptying && (!l.emptied || now.Sub(l.chosen) >= tick):
		l.chosen = now
		l.chooseAll(now)
	case l.emptied && !emptying: // uncordoned: what hasn't begun to move stays
		l.unchoose()
	}
	l.emptied = emptying
	if len(l.moves) == 0 {
		return
	}
	if now.Sub(l.lastWrite) > writesProven {
		l.probe()
		return
	}
	for to, queue := range l.moves {
		for len(queue) > 0 {
			h := queue[0].hold
			void := l.holds[h.key] != h || h.busy || !to.takes() || !emptying && now.Sub(queue[0].at) > 10*time.Second
			if !void && (l.underWay >= maxMoving || l.view.credit(to) <= l.sending[to.id]) {
				break
			}
			queue = queue[1:]
			h.chosen = false
			if void {
				h.trial = false
			} else {
				l.send(h, to, now)
			}
		}
		if l.moves[to] = queue; len(queue) == 0 {
			delete(l.moves, to)
		}
	}
}

// chooseAll has everything that another node can take moved there. Targets change when nodes go, so all are chosen anew.
func (l *Loop) chooseAll(now Instant) {
	l.unchoose()
	for _, h := range l.holds {
		if to := h.slot.target; h.to == nil && to != nil && to.id != l.cfg.Self.ID {
			l.choose(h, to, now)
		}
	}
}

// unchoose takes back all moves that have not begun. What waited for one without a runner is looked at again: whom it was to go to, and
// whether it is to go at all, changes without a word about the resource itself.
func (l *Loop) unchoose() {
	for _, h := range l.holds {
		if h.chosen {
			h.chosen, h.trial = false, false
		}
		if h.run == nil {
			l.touch(h)
		}
	}
	clear(l.moves)
}

// outgoing tells whether a resource is to be handed off, as all that this node holds, and can be soon. While its target takes nothing
// it would wait for long, and without a runner.
func (l *Loop) outgoing(h *hold) bool {
	to := h.slot.target
	return to != nil && l.emptying() && l.view.credit(to) > 0
}

func (l *Loop) send(h *hold, to *peer, now Instant) {
	h.to = to
	l.lend(to, 1)
	l.underWay++
	if _, why := l.wish(h); h.run != nil {
		l.stop(h, why, now)
	}
	l.touch(h)
}

// lend counts one more move to a node that takes up its credit, or one less.
func (l *Loop) lend(to *peer, change int) {
	if l.sending[to.id] += change; l.sending[to.id] == 0 {
		delete(l.sending, to.id)
	}
}

// unmove ends a move, whatever became of it.
func (l *Loop) unmove(h *hold) {
	if h.to != nil {
		l.lend(h.to, -1)
		l.underWay--
		h.to, h.trial = nil, false
	}
}

// landed is a move that was done. Until the view shows it among what is on the target's intake lease, it takes up credit as one
// that is under way.
type landed struct {
	to  *peer
	rev int64
}

// land gives up the credit that is accounted for by the view.
func (l *Loop) land() {
	for len(l.landing) > 0 && l.landing[0].rev <= l.view.rev {
		l.lend(l.landing[0].to, -1)
		l.landing = l.landing[1:]
	}
}

// handOff rewrites the claim of a stopped resource onto the next holder's intake lease. The guard on the node's
// key makes it fail when that node has left, is leaving or has named another lease since.
func (l *Loop) handOff(h *hold) {
	to := h.to
	if !to.takes() {
		l.unmove(h)
		l.touch(h)
		return
	}
	if !l.keepSpec(h) {
		return // the next holder would have only the newest spec, which is invalid
	}
	h.busy = true
	h.spent = max(h.spent, h.epoch)
	key, seen := h.key, to.rev
	l.post(request{
		op: Op{
			If:    []Guard{{ClaimPath(key), h.epoch}, {NodePath(to.id), to.rev}},
			Path:  ClaimPath(key),
			Value: claimText(l.handOver(h)),
			Lease: to.Intake.Lease,
		},
		then: func(res Result, ans Answer, err error) {
			if res.Done {
				l.tell(Event{Type: HandedOff, Key: key, Epoch: ans.Rev, Node: to.id})
				if h.trial {
					l.trials.begin(h, to, l.cfg.Clock())
				}
				if h.to != nil { // the watch has not told of it yet
					l.landing = append(l.landing, landed{to, ans.Rev})
					l.lend(to, 1)
				}
			}
			if errors.Is(err, ErrLeaseNotFound) {
				to.shut = seen
			}
			l.unmove(h)
			l.resume(h, err)
			if err == nil && !res.Done {
				l.pause(h) // the watch is to tell what became of the target before it is tried again
			}
		},
	})
}

// handOver is the claim of whom a resource is handed to. A node that leaves or is drained is its origin, to be given it back first when it
// takes its part again, unless the resource has come from another such node: then it has moved twice, and is at home where it goes.
func (l *Loop) handOver(h *hold) ClaimValue {
	v := ClaimValue{Node: h.to.id, From: l.cfg.Self.ID}
	if !h.stopped.IsZero() {
		v.Stopped = &h.stopped
	}
	if l.emptying() && l.view.peer(h.origin) == nil {
		v.Origin = l.cfg.Self.ID
	}
	return v
}

// probe makes a write that harms nothing, to see whether writes get through.
func (l *Loop) probe() {
	if l.probing || l.cfg.Clock() < l.askPause {
		return
	}
	l.probing = true
	self := l.cfg.Self.ID
	l.post(request{
		op: Op{
			If:   []Guard{{NodePath(self), l.view.peer(self).rev}},
			Path: StatePath(Key{"node", self}, "probe"), Value: l.claimValue, Lease: l.term.id.Lease(0),
		},
		then: func(Result, Answer, error) {
			l.probing = false
			l.refrain()
		},
	})
}

// marked tells whether the view has passed the revision that says that this node is leaving: from there on nobody
// hands it anything, and everybody has chosen who is to have what it holds.
func (l *Loop) marked() bool {
	p := l.view.peer(l.cfg.Self.ID)
	return p != nil && p.Leaving && l.view.rev >= p.rev
}

// leave says that this node is leaving, and ends the term when all that can be handed off has been.
func (l *Loop) leave(now Instant) {
	switch {
	case !l.registered || now >= l.leaveBy:
		l.fail(endLeaving, nil)
	case !l.marked():
		l.publish(func(n *Node) { n.Leaving = true })
	default:
		for _, h := range l.holds {
			if h.slot.target != nil || h.to != nil {
				return
			}
		}
		l.fail(endLeaving, nil)
	}
}
