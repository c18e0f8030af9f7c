package cluster

import "encoding/json"

// intakeQuota is how many claims others may put on a node's intake lease before it names the next one.
const intakeQuota = maxOnLease

// renewIntake names a new intake lease once what came on the present one has been started, and it is nearly used up.
func (l *Loop) renewIntake(now Instant) {
	p := l.view.peer(l.cfg.Self.ID)
	c := l.term.index[p.Intake.Lease]
	if l.intake != c && l.intake != nil {
		l.intake.intake = false // from now on own bids may fill it up
	}
	if l.intake = c; l.next == c || l.next != nil && l.next.lost.Load() {
		l.next = nil
	}
	gone := c == nil || c.lost.Load()
	switch {
	case l.leaving || l.naming || l.publishing || now < l.askPause:
	case !gone && (p.onIntake < intakeQuota*9/10 || l.unstarted(c, now)):
	case l.next != nil: // more may have come while it was granted, so the case above is asked again
		l.publish(func(n *Node) { n.Intake.Lease = l.next.id })
	default:
		l.naming = true
		l.grant(func(next *lease, err error) {
			l.naming = false
			if err == nil {
				next.intake = true
				l.next = next
			}
		})
	}
}

// unstarted tells whether something on a lease is yet to be started. It asks the one found last first: to look through all,
// in each turn, would cost more than to start them.
func (l *Loop) unstarted(c *lease, now Instant) bool {
	waits := func(h *hold) bool {
		return h.lease == c && h.run == nil && !h.blocked() && now >= h.trouble.retryAt && l.holds[h.key] == h
	}
	if l.slowest != nil && waits(l.slowest) {
		return true
	}
	for _, h := range l.holds {
		if waits(h) {
			l.slowest = h
			return true
		}
	}
	l.slowest = nil
	return false
}

// publish rewrites this node's key, once the view shows what was written last.
func (l *Loop) publish(change func(*Node)) {
	p := l.view.peer(l.cfg.Self.ID)
	if l.publishing || l.cfg.Clock() < l.askPause || p.rev < l.written {
		return
	}
	l.publishing = true
	next := p.Node
	change(&next)
	l.post(request{
		op: Op{
			If:   []Guard{{NodePath(p.id), p.rev}},
			Path: NodePath(p.id), Value: nodeText(next), Lease: l.term.id.Lease(0),
		},
		then: func(res Result, ans Answer, _ error) {
			l.publishing = false
			if !res.Done {
				l.refrain()
				return
			}
			l.written = ans.Rev
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
// quota is then overdrawn by no more than the nodes there are. It is 0 for a node whose intake lease has been found gone, until it names another:
// each try would stop a runner for nothing.
func (v *view) credit(p *peer) int {
	left := p.Intake.Quota - p.onIntake
	if left <= 0 || p.shut == p.rev {
		return 0
	}
	return max(1, left/max(1, len(v.members)-1))
}
