package cluster

import (
	"cmp"
	"slices"
	"time"
)

// Bids are the only place of the plan with a clock. It can only delay a bid, or make two nodes bid for the same:
// compare-and-swap then decides, and one of them has wasted an effort.
const (
	// settleFor is how long after a node has joined nobody bids, since more may be joining.
	settleFor = 250 * time.Millisecond
	// settleMost is for how long nodes that keep joining can put off all bids.
	settleMost = time.Second
	// checkpoint is how many revisions apart new plans are made while much goes on, and checkpointWait for how long one is
	// waited for.
	checkpoint     = 64
	checkpointWait = 100 * time.Millisecond
	// drain is how long bids made from a state that nodes disagreed on may still arrive.
	drain = 50 * time.Millisecond
	// leastLate is how long a node must have claimed nothing for others to bid for what it is to claim.
	leastLate = time.Second
	// planCost is taken for the time that a new plan needs for each homeless resource, so that plans take up a
	// quarter of a node's time at most.
	planCost = time.Microsecond
	// recent is how long the slowest answer to a bid is remembered, and at most twice that.
	recent = 10 * time.Second
)

// bids is what bidding needs to remember.
type bids struct {
	head      int64            // highest revision that the watch has brought
	planFrom  Instant          // from when a new plan is made when the log comes to a checkpoint
	settled   Instant          // by when it is made anyway; nobody bids before
	settleEnd Instant          // when it is taken for settled, whatever else joins
	replanned Instant          // no new plan before this
	answered  []answer         // that are ahead of the view, by revision
	slowest   [2]time.Duration // answers, in this span of recent and the one before
	span      Instant          // when this span began
}

// answer is what an answer told of a slot ahead of the view: until the view has come to that revision, it counts.
type answer struct {
	slot *slot
	rev  int64
	bid  bool // of ours
}

// ahead keeps an answer until the view is there. Answers come nearly in order, so its place is near the end; looking through
// them all, each time, made a hundred thousand claims cost a minute when the watch was slow.
func (b *bids) ahead(a answer) {
	i, _ := slices.BinarySearchFunc(b.answered, a.rev+1, func(a answer, rev int64) int { return cmp.Compare(a.rev, rev) })
	b.answered = slices.Insert(b.answered, i, a)
}

func (b *bids) joined(now Instant) {
	if now >= b.settled {
		b.settleEnd = now.Add(settleMost)
	}
	b.settled = max(b.settled, min(now.Add(settleFor), b.settleEnd))
	b.planFrom = b.settled.Add(-checkpointWait)
}

// disagreed takes in that another node claimed what this one had meant for a third: they plan from different states, and what
// comes in is given to different nodes from then on. All who notice plan anew, and bid for nothing until then.
func (v *view) disagreed(now Instant) {
	if v.dirty {
		return
	}
	v.dirty = true
	v.bids.planFrom = max(v.bids.planFrom, now.Add(drain))
	v.bids.settled = max(v.bids.settled, v.bids.planFrom.Add(checkpointWait))
}

// advance comes to the next revision of the log. While much goes on, nodes that plan anew at the same moment
// do so from different states, and go on to disagree; so each does at the same revision, whenever it gets there. When little
// goes on the states are the same, and no checkpoint need be waited for.
func (v *view) advance(rev int64, now Instant) {
	passed := v.bids.head/checkpoint != rev/checkpoint
	v.bids.head = rev
	if passed && v.dirty && v.listing.done && now >= v.bids.planFrom && now >= v.bids.replanned {
		v.news = append(v.news, Event{Type: Planned, Count: v.replan(now)})
		v.bids.settled = now
	}
}

// replanDue tells whether targets are to be chosen anew now.
func (v *view) replanDue(now Instant) bool {
	return v.listing.done && now >= v.bids.settled && now >= v.bids.replanned && (v.dirty || v.roomy && v.hopeful())
}

// hopeful tells whether something waits for room that somebody might have: unclaimed, or held by a node that it is to leave.
func (v *view) hopeful() bool {
	for _, c := range v.classes {
		if c.pending.n > 0 && len(c.able) > 0 {
			return true
		}
	}
	without := v.homelessCount() // a target
	for _, p := range v.members {
		without -= p.targets
	}
	for _, p := range v.members {
		for c := range p.byClass {
			if without > 0 && !p.stays() && c != nil && len(c.able) > 0 {
				return true
			}
		}
	}
	return false
}

// replan chooses targets anew, of all that is homeless or, when only room came free, of what had none, and returns how
// many changed.
func (v *view) replan(now Instant) int {
	var slots []*slot
	for s := range v.homeless() {
		if v.dirty || s.target == nil {
			slots = append(slots, s)
		}
	}
	sortSlots(slots, choosiestFirst)
	before := make([]*peer, len(slots))
	waited := map[*peer]Instant{}
	for i, s := range slots {
		if before[i] = s.target; s.target != nil {
			waited[s.target] = s.target.waited
			v.aim(s, nil)
		}
	}
	replan(slots, v.aim)
	changed := 0
	for i, s := range slots {
		if s.target != before[i] {
			changed++
			v.place(s, now)
		}
	}
	for p, since := range waited {
		p.waited = since // a new plan resets no timer
	}
	v.dirty, v.roomy = false, false
	v.bids.replanned = now.Add(4 * planCost * time.Duration(len(slots)))
	return changed
}

// dueBids returns up to limit resources that this node is to bid for now: what is targeted at it, then what others are
// late with. What was asked for already is left out.
func (v *view) dueBids(now Instant, limit int) []*slot {
	v.wake(now)
	me := v.nodes[v.self]
	if me == nil || !me.takes() || !v.listing.done || v.dirty || now < v.bids.settled {
		return nil
	}
	var due []*slot
	for s := range me.wanted.all() {
		if len(due) == limit {
			return due
		}
		if !s.asked {
			due = append(due, s)
		}
	}
	for _, p := range v.members {
		if p != me && len(due) < limit {
			due = v.dueFrom(p, me, now, due, limit)
		}
	}
	return due
}

// wake has those bid for again whose rest is over.
func (v *view) wake(now Instant) {
	for s := range v.resting.all() {
		if v.notBefore[s] > now {
			return
		}
		v.place(s, now)
	}
}

// dueFrom adds what another node is so late with that it is this node's turn to bid: the k-th by rendezvous hash bids after
// k times lateAfter, and one turn earlier for what came after the other was found to be late. Lateness is
// measured in time that the view is proven to have seen, so that nobody seems late while the own watch stalls.
func (v *view) dueFrom(p, me *peer, now Instant, due []*slot, limit int) []*slot {
	idle := max(p.waited, p.claimed)
	if p.wanted.n == 0 || p.suspect == 0 && v.fresh.Sub(idle) <= v.lateAfter() {
		return due
	}
	if p.suspect == 0 {
		p.suspect = now
	}
	for s := range p.wanted.all() {
		if len(due) == limit {
			break
		}
		turns := int(max(0, v.fresh.Sub(max(idle, s.since))) / v.lateAfter())
		if s.since >= p.suspect {
			turns++
		}
		if turns > 0 && !s.asked && v.eligible(s, me) && v.rank(s, me, p) <= turns {
			due = append(due, s)
		}
	}
	return due
}

// lateAfter is how long a node may take to claim something.
func (v *view) lateAfter() time.Duration {
	return max(leastLate, 4*max(v.bids.slowest[0], v.bids.slowest[1]))
}

// rank returns this node's place, from 1, among those who may have a resource when the one left out is late with it.
func (v *view) rank(s *slot, me, without *peer) int {
	rank, mine := 1, rendezvous(s, me)
	for _, p := range s.class.able {
		if p != without && p != me && rendezvous(s, p) > mine {
			rank++
		}
	}
	return rank
}

// bidAnswered takes in that a bid of this node was answered, after how long, as of which revision. It may be made
// again once the view has reached that revision: before, the view doesn't know what the answer rests on.
func (v *view) bidAnswered(s *slot, took time.Duration, rev int64) {
	b := &v.bids
	if v.fresh.Sub(b.span) > recent {
		b.slowest[1], b.slowest[0], b.span = b.slowest[0], 0, v.fresh
	}
	b.slowest[0] = max(b.slowest[0], took)
	b.ahead(answer{s, rev, true})
	v.reach()
}

// reach frees what answers told of that the view has reached.
func (v *view) reach() {
	b := &v.bids
	for len(b.answered) > 0 && b.answered[0].rev <= v.rev {
		a := b.answered[0]
		b.answered = b.answered[1:]
		if _, ahead := v.counted[a.slot]; a.bid {
			a.slot.asked = false
		} else if ahead && a.slot.claim <= v.rev {
			delete(v.counted, a.slot)
		} else {
			continue // the watch has told of it, and the slot may be forgotten already
		}
		v.forgetEmpty(a.slot)
	}
}

// nextBid returns when something will become due by time alone: a plan, a bid, the end of a rest, or calm for moves.
func (v *view) nextBid(now Instant) (Instant, bool) {
	next, some := Instant(0), false
	at := func(t Instant) {
		if t > now && (!some || t < next) {
			next, some = t, true
		}
	}
	at(v.bids.settled)
	if v.dirty || v.roomy {
		at(v.bids.replanned)
	}
	if s := v.resting.first; s != nil {
		at(v.notBefore[s])
	}
	for _, p := range v.members {
		if p.wanted.n > 0 && p.id != v.self {
			base, s := max(p.waited, p.claimed, p.wanted.first.since), v.lateAfter()
			at(base.Add(s * (1 + max(0, v.fresh.Sub(base)/s))))
		}
	}
	at(v.calm.from())
	return next, some
}
