package cluster

import (
	"cmp"
	"slices"
	"sort"
)

// planners are the versions of the rules below, with every constant in them, that this node can plan by. Nodes agree on targets
// only if they plan alike, so whatever changes a target needs a new version; the last one stays, for as long as nodes are being
// replaced one by one.
var planners = []int{1, 2}

// zonesSince is the version from which zones and preferences count. Before, the cluster is one zone.
const zonesSince = 2

// home returns who is to have a resource that has just become homeless: of those who may have it and have room, the
// node with the least load for its weight; among equals one of the zone with the least for its; ties go by rendezvous hash, so that
// equal nodes get equal parts. Whom the class prefers comes before all others. It is nil when nobody has room.
func home(s *slot) *peer {
	p := lightest(s, s.class.best)
	if p == nil && len(s.class.best) < len(s.class.able) {
		p = lightest(s, s.class.able)
	}
	return p
}

// lightest is home among some.
func lightest(s *slot, among []*peer) *peer {
	var best *peer
	for _, p := range among {
		if p.load+int64(s.weight) <= p.Room() && (best == nil || lighter(s, p, best)) {
			best = p
		}
	}
	return best
}

// lighter tells whether a would bear less than b for its weight, were it given the slot, or would as much and its zone less.
func lighter(s *slot, a, b *peer) bool {
	w := int64(s.weight)
	if c := cmp.Compare((a.load+w)*b.Weight, (b.load+w)*a.Weight); c != 0 {
		return c < 0
	}
	if a.in != b.in {
		// Halfway to the next unit is what gives zones of all sizes their parts (Webster, 1832).
		if c := cmp.Compare((2*a.in.load+w)*b.in.weight, (2*b.in.load+w)*a.in.weight); c != 0 {
			return c < 0
		}
	}
	return rendezvous(s, a) > rendezvous(s, b)
}

// rendezvous is the rank that a node has for a resource: highest random weight (Thaler and Ravishankar, 1998), from the
// xxhash of both, mixed as in splitmix64. Weaker hashes of short ids gave one of three nodes everything.
func rendezvous(s *slot, p *peer) uint64 {
	x := s.hash ^ p.hash
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// weighed is a slot with what it is sorted by. What is compared lies side by side: a million slots all over memory would take ten
// times as long.
type weighed struct {
	class  *class
	hash   uint64
	weight int16
	slot   *slot
}

// heaviestFirst orders slots in a way that all nodes agree on: large ones first, since small ones fit anywhere.
func heaviestFirst(a, b weighed) int {
	switch {
	case a.weight != b.weight:
		return cmp.Compare(b.weight, a.weight)
	case a.hash != b.hash:
		return cmp.Compare(a.hash, b.hash)
	}
	return a.slot.key.Compare(b.slot.key)
}

// choosiestFirst is the order in which targets are chosen anew: by class, the choosiest first, then the heaviest first.
func choosiestFirst(a, b weighed) int {
	if a.class != b.class {
		return cmp.Or(cmp.Compare(len(a.class.best), len(b.class.best)), cmp.Compare(a.class.name, b.class.name))
	}
	return heaviestFirst(a, b)
}

// sortSlots sorts by heaviestFirst or choosiestFirst.
func sortSlots(slots []*slot, compare func(a, b weighed) int) {
	entries := make([]weighed, len(slots))
	for i, s := range slots {
		entries[i] = weighed{s.class, s.hash, s.weight, s}
	}
	slices.SortFunc(entries, compare)
	for i := range entries {
		slots[i] = entries[i].slot
	}
}

// replan chooses targets for homeless slots that have none, from the loads of their peers and nothing else: in what order
// they became homeless, and what came before, doesn't matter. Each class is poured like water onto the nodes that
// can take it, the choosiest class first; which slot goes where within these quotas is by rendezvous hash. Whoever carries
// out a part of the plan and plans again gets the same for the rest (with classes that don't overlap), where
// choosing greedily in turn would change half of it.
//
// The slots are sorted by choosiestFirst. aim gives a slot its target, and the target its load.
func replan(slots []*slot, aim func(*slot, *peer)) {
	for len(slots) > 0 {
		n := sort.Search(len(slots), func(i int) bool { return slots[i].class != slots[0].class })
		pour(slots[:n], aim)
		slots = slots[n:]
	}
}

// pour gives the slots of one class to those who may have them.
func pour(slots []*slot, aim func(*slot, *peer)) {
	var sum int64
	for _, s := range slots {
		sum += int64(s.weight)
	}
	shares := make([]share, len(slots[0].class.best))
	for i, p := range slots[0].class.best {
		shares[i] = share{peer: p, load: p.load, room: p.Room()}
	}
	fill(shares, sum)
	for _, s := range slots {
		w := int64(s.weight)
		var best *share
		var rank uint64
		for i := range shares {
			sh := &shares[i]
			if sh.quota <= (w-1)/2 || sh.peer.load+w > sh.room {
				continue
			}
			if r := rendezvous(s, sh.peer); best == nil || r > rank {
				best, rank = sh, r
			}
		}
		if best != nil {
			best.quota -= w
			aim(s, best.peer)
		} else if p := home(s); p != nil { // the quotas are used up by rounding, but there is room
			aim(s, p)
		}
	}
}

// share is what a node has of a load and what it is to have.
type share struct {
	peer  *peer
	load  int64
	room  int64 // the most that it can bear
	home  int64 // what it would have if everybody were given back what they had before they left
	quota int64
}

// steps is how many levels there are to a unit of load by weight: so many that no step raises a node by more than 1.
const steps = MaxWeight

// most returns what the node can get to when k more is shared out.
func (sh *share) most(k int64) int64 { return min(sh.room, sh.load+k) }

// rise returns by how much a node is to rise for its load by weight to reach a level, when k is shared out.
func (sh *share) rise(level, k int64) int64 {
	reach := sh.most(k)
	if level <= reach*steps/sh.peer.Weight { // else it is reached, and the product below might overflow
		reach = min(reach, level*sh.peer.Weight/steps)
	}
	return max(0, reach-sh.load)
}

// highest returns the highest level to which the nodes can rise with k more in all.
func highest(shares []share, k int64) int64 {
	top := 1
	for i := range shares {
		top = max(top, int((shares[i].most(k)+1)*steps/shares[i].peer.Weight)+1)
	}
	return int64(sort.Search(top, func(l int) bool {
		var sum int64
		for i := range shares {
			sum += shares[i].rise(int64(l)+1, k)
		}
		return sum > k
	}))
}

// fill sets quotas that sum up to k, or to all the room there is, and bring the loads to one level as far as that is
// possible by adding. What rounding leaves over goes, one each, to those whom the next step of the level would raise; who is above
// the level already counts for its zone.
func fill(shares []share, k int64) {
	level, left := highest(shares, k), k
	for i := range shares {
		shares[i].quota = shares[i].rise(level, k)
		left -= shares[i].quota
	}
	var spare spares
	for i := range shares {
		switch sh := &shares[i]; {
		case sh.rise(level+1, k) > sh.quota:
			spare.may(sh, false)
		case (sh.load*steps-1)/sh.peer.Weight >= level:
			spare.has(sh)
		}
	}
	spare.deal(left)
}

// divide sets the quotas of nodes that are to share all their load by weight, within their room. What rounding leaves over
// goes, one each, over the zones, and within a zone first to those that have more than their part already, so that nothing moves
// for it. Before those come who would have more if everybody were given back what they had: else some of that would have to stay
// where it is, and move again and again, as nodes are restarted one after the other.
//
// Who has more is asked of the part rounded down, never of a quota that grows meanwhile: asking that had two pairs of
// nodes swap for ever.
func divide(shares []share) {
	var all int64
	empty := slices.Clone(shares)
	for i := range shares {
		all += shares[i].load
		empty[i].load = 0
	}
	level, left := highest(empty, all), all
	for i := range shares {
		shares[i].quota = empty[i].rise(level, all)
		empty[i].quota = shares[i].quota
		left -= shares[i].quota
	}
	var spare spares
	for _, atHome := range []bool{true, false} {
		for i := range shares {
			sh, floor := &shares[i], empty[i].quota
			if sh.home > floor == atHome && empty[i].rise(level+1, all) > floor {
				spare.may(sh, atHome || sh.load > floor)
			}
		}
	}
	spare.deal(left)
}
