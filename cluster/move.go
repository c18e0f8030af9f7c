package cluster

import (
	"encoding/json"
	"time"
)

const (
	// maxMoving is how many resources a node has between two holders at once.
	maxMoving = 256
	// writesProven is how long after a guarded write got through a runner may be stopped for a move. A node that
	// can't write would stop it for nothing.
	writesProven = 3 * time.Second
	// intakeQuota is how many claims others may put on a node's intake lease before it names the next one.
	intakeQuota = maxOnLease
)

// moving is a move decided on and not yet begun.
type moving struct {
	hold *hold
	to   *peer
	at   Instant
}

// rebalance asks the plan what this node should give away.
func (l *Loop) rebalance(now Instant) {
	if l.leaving || !l.planned {
		return
	}
	moves := l.view.balance(now, len(l.moves)+l.underWay, func(s *slot) bool {
		h := l.holds[s.key]
		return h != nil && !h.busy && h.to == nil && !h.chosen && h.specRev != 0
	})
	for _, m := range moves {
		h := l.holds[m.slot.key]
		h.chosen = true
		l.moves = append(l.moves, moving{h, m.to, now})
	}
	if len(moves) > 0 {
		l.tell(Event{Type: Balanced, Count: len(moves)})
	}
}

// pump begins moves, no more at once than can be under way and than their targets have credit for: a resource
// waits with its runner going, not without one.
func (l *Loop) pump(now Instant) {
	l.acknowledge()
	emptying := l.emptying()
	switch {
	case emptying:
		l.chooseAll(now)
	case l.emptied: // uncordoned: what hasn't begun to move stays
		for _, m := range l.moves {
			m.hold.chosen = false
		}
		l.moves = nil
	}
	l.emptied = emptying
	if len(l.moves) == 0 {
		return
	}
	if now.Sub(l.lastWrite) > writesProven {
		l.probe()
		return
	}
	waiting := l.moves[:0]
	for _, m := range l.moves {
		h := m.hold
		switch {
		case l.holds[h.key] != h || !emptying && now.Sub(m.at) > 10*time.Second:
			h.chosen = false // it left by another way, or its target has had no room for long
		case h.busy || l.underWay >= maxMoving || l.view.credit(m.to) <= l.sending[m.to.id]:
			waiting = append(waiting, m)
		default:
			l.send(h, m.to, now)
		}
	}
	clear(l.moves[len(waiting):])
	l.moves = waiting
}

// chooseAll has everything that another node can take moved there.
func (l *Loop) chooseAll(now Instant) {
	kept := l.moves[:0]
	for _, m := range l.moves {
		if m.to = m.hold.slot.target; m.to != nil {
			kept = append(kept, m) // targets change when nodes go
		} else {
			m.hold.chosen = false
		}
	}
	l.moves = kept
	for _, h := range l.holds {
		if h.to == nil && !h.chosen && h.slot.target != nil && h.slot.target.id != l.cfg.Self.ID {
			h.chosen = true
			l.moves = append(l.moves, moving{h, h.slot.target, now})
		}
	}
}

func (l *Loop) send(h *hold, to *peer, now Instant) {
	h.chosen = false
	h.to = to
	l.sending[to.id]++
	l.underWay++
	if _, why := l.wish(h); h.run != nil {
		l.stop(h, why, now)
	}
	l.touch(h)
}

// unmove ends a move, whatever became of it.
func (l *Loop) unmove(h *hold) {
	if h.to != nil {
		l.sending[h.to.id]--
		l.underWay--
		h.to = nil
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
	key := h.key
	l.post(request{
		op: Op{
			If:    []Guard{{ClaimPath(key), h.epoch}, {NodePath(to.id), to.rev}},
			Path:  ClaimPath(key),
			Value: claimText(to.id, l.cfg.Self.ID, h.stopped),
			Lease: to.Intake.Lease,
		},
		then: func(res Result, ans Answer, err error) {
			if res.Done {
				l.tell(Event{Type: HandedOff, Key: key, Epoch: ans.Rev, Node: to.id})
			}
			l.unmove(h)
			l.resume(h, err)
			if err == nil && !res.Done {
				l.pause(h) // the watch is to tell what became of the target before it is tried again
			}
		},
	})
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

// renewIntake names a new intake lease once what came on the present one has been started, and it is nearly used up.
func (l *Loop) renewIntake(now Instant) {
	p := l.view.peer(l.cfg.Self.ID)
	c := l.term.index[p.Intake.Lease]
	if l.intake != c && l.intake != nil {
		l.intake.intake = false // from now on own bids may fill it up
	}
	l.intake = c
	gone := c == nil || c.lost.Load()
	if l.leaving || l.publishing || l.granting > 0 || now < l.grantPause || now < l.askPause || !gone && p.onIntake < intakeQuota*9/10 {
		return
	}
	for _, h := range l.holds {
		if h.lease == c && h.run == nil && !h.blocked() && now >= h.retryAt && !gone {
			return
		}
	}
	l.publishing = true
	l.grant(func(next *lease, err error) {
		l.publishing = false
		if err != nil {
			l.grantPause = l.cfg.Clock().Add(retryPause)
			return
		}
		next.intake = true
		l.publish(func(n *Node) { n.Intake.Lease = next.id })
	})
}

// publish rewrites this node's key.
func (l *Loop) publish(change func(*Node)) {
	if l.publishing || l.cfg.Clock() < l.askPause {
		return
	}
	l.publishing = true
	p := l.view.peer(l.cfg.Self.ID)
	next := p.Node
	change(&next)
	l.post(request{
		op: Op{
			If:   []Guard{{NodePath(p.id), p.rev}},
			Path: NodePath(p.id), Value: nodeText(next), Lease: l.term.id.Lease(0),
		},
		then: func(Result, Answer, error) {
			l.publishing = false
			l.refrain()
		},
	})
}

func nodeText(n Node) []byte {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings, numbers and maps of them always encode
	}
	return text
}

// credit returns how many more claims this node may put on a node's present intake lease, besides those it has under way: its
// part, among all who may, of what the lease still takes. Parts of less than one are rounded up, or nobody could; the
// quota is then overdrawn by no more than the nodes there are.
func (v *view) credit(p *peer) int {
	left := p.Intake.Quota - p.onIntake
	if left <= 0 {
		return 0
	}
	return max(1, left/max(1, len(v.members)-1))
}
