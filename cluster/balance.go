package cluster

import (
	"slices"
	"time"
)

// Moves are for evenness alone, so they wait until nothing more urgent is left, and are as few as can be.
const (
	// quiet is how long nodes must neither have come nor gone before anything moves.
	quiet = 2 * time.Second
	// maxInFlight bounds a node's moves under way.
	maxInFlight = 256
	// cooldown is how long a resource that was moved stays where it is.
	cooldown = 30 * time.Second
	// fruitless is how long a node doesn't look for what to give away after it has found nothing that may move.
	fruitless = 100 * time.Millisecond
	// brakeFor is for how long nothing moves at most after more than half of the nodes have vanished at once: they may all
	// be back in a moment. What they held is claimed all the same, within the capacity of those left.
	brakeFor = 30 * time.Second

	bandExact  = 0 // percent of a node's part by which it may be off before anything moves
	bandUneven = 2 // when resources differ in weight, and not every sum can be made
	bandChurn  = 5 // while resources come and go, which evens out or undoes itself
)

// calm is what is remembered to keep moves few.
type calm struct {
	changed  Instant // when a node last came, went, or changed what it may be given
	churned  Instant // when a resource last came or went
	braked   Instant // until when the brake is on
	before   int     // nodes there were before they vanished
	again    Instant // when to look again for what to give away
	vanishes []Instant
	moving   map[*slot]*peer   // own moves decided, of which no record has come yet
	moved    map[*slot]Instant // resources that another node moved here, and when
}

// transfer is something that this node is to hand off.
type transfer struct {
	slot *slot
	to   *peer
	why  string // for people
}

// flow is how much weight this node is to give to another.
type flow struct {
	to     *peer
	class  *class // nil: of any
	weight int64
	why    string // for people
}

// from is when moves may begin, as far as quiet decides.
func (c *calm) from() Instant { return c.changed.Add(quiet) }

// vanished takes in that a node went without leaving, when there were so many.
func (c *calm) vanished(now Instant, nodes int, p *peer) {
	within := now.Add(-time.Duration(p.TTL))
	c.vanishes = append(slices.DeleteFunc(c.vanishes, func(t Instant) bool { return t < within }), now)
	there := nodes - 1 + len(c.vanishes)
	if 2*len(c.vanishes) > there {
		c.braked, c.before = now.Add(brakeFor), max(c.before, there)
	}
}

// balance returns what this node is to begin handing off now so that all bear their parts. inflight is how many of its moves
// are under way; may tells whether a resource held here can be moved and isn't being moved. Only the one who has
// too much acts, but all who see the same would have it do the same.
func (v *view) balance(now Instant, inflight int, may func(*slot) bool) (moves []transfer) {
	me := v.nodes[v.self]
	if me == nil || !me.takes() || inflight > maxInFlight/2 || !v.still(now) {
		return nil
	}
	idle := func(s *slot) bool {
		_, ahead := v.counted[s] // answered, and the watch is yet to tell
		return !ahead && may(s)
	}
	for s := range v.calm.moving {
		if idle(s) {
			delete(v.calm.moving, s) // it came to nothing
		}
	}
	flows := v.flows(me, now)
	if now < v.calm.again || !slices.ContainsFunc(flows, func(f flow) bool { return v.credit(f.to) > 0 }) {
		return nil
	}
	moves = v.choose(me, flows, maxInFlight-inflight, now, v.credit, idle)
	if len(moves) == 0 {
		v.calm.again = max(v.calm.again, now.Add(fruitless))
	}
	return moves
}

// still tells whether it is time for moves: nodes stay, all plan alike, and all but a few resources are held.
func (v *view) still(now Instant) bool { return v.unrest(now) == "" }

// unrest says why it is no time for moves, "" when it is.
func (v *view) unrest(now Instant) string {
	c := &v.calm
	if now >= c.braked || len(v.nodes) >= c.before {
		c.braked, c.before = 0, 0
	}
	waiting := 0
	for _, p := range v.members {
		waiting += p.targets
	}
	switch {
	case !v.alikePlanning():
		return "some nodes don't know this version of the planner: upgrade them"
	case c.braked != 0:
		return "many nodes have vanished at once: they may be back in a moment"
	case waiting*100 > v.resources:
		return "more than 1 % of the resources wait for a holder, or for a move to a new one"
	case !v.listing.done || v.dirty || now < c.from():
		return "a node has just come, gone or changed"
	}
	return ""
}

// flows returns how much this node is to give to whom. Own moves under way count as done.
func (v *view) flows(me *peer, now Instant) []flow {
	var shares []share
	for _, p := range v.members {
		if p.takes() {
			shares = append(shares, share{peer: p, load: p.load, room: p.Room(), home: p.load - int64(p.guests) + int64(v.away[p.mark])})
		}
	}
	for s, to := range v.calm.moving {
		for i := range shares {
			sh, weight := &shares[i], int64(s.weight)
			switch {
			case sh.peer == me:
				sh.load -= weight
				if s.origin == 0 {
					sh.home -= weight
				}
			case sh.peer == to:
				sh.load += weight
				if !s.from(to) {
					sh.home += weight
				}
			case s.from(sh.peer):
				sh.home -= weight // it is not given back
			}
		}
	}
	if v.alike(len(shares)) {
		divide(shares)
		if v.within(shares, now) {
			return nil
		}
		return endToEnd(shares, me)
	}
	return v.inPairs(shares, me, now)
}

// alike tells whether what one of n nodes may be given, all may.
func (v *view) alike(n int) bool {
	for _, c := range v.classes {
		if len(c.best) != n && len(c.best) != 0 {
			return false
		}
	}
	return true
}

// within tells whether no node is off its part by more than the band.
func (v *view) within(shares []share, now Instant) bool {
	for _, sh := range shares {
		if off := sh.load - sh.quota; max(off, -off)*100 > v.band(now)*sh.quota {
			return false
		}
	}
	return true
}

func (v *view) band(now Instant) int64 {
	switch {
	case now.Sub(v.calm.churned) < quiet:
		return bandChurn
	case len(v.weights) > 1:
		return bandUneven
	}
	return bandExact
}

// endToEnd lays what nodes have too much of end to end, and what others lack along it: whatever lies beside each other goes
// from the one to the other (the north-west corner rule). Nothing moves twice, and all agree on who gives what to whom.
func endToEnd(shares []share, me *peer) []flow {
	var start, end int64 // of what this node has too much of
	for _, sh := range shares {
		if sh.peer == me {
			end = start + max(0, sh.load-sh.quota)
			break
		}
		start += max(0, sh.load-sh.quota)
	}
	var flows []flow
	var from int64 // where what this one lacks begins
	for _, sh := range shares {
		to := from + max(0, sh.quota-sh.load)
		if overlap := min(end, to) - max(start, from); overlap > 0 {
			flows = append(flows, flow{to: sh.peer, weight: overlap, why: whyEven})
		}
		from = to
	}
	return flows
}
