package cluster

import (
	"cmp"
	"slices"
)

// inPairs evens out nodes that can't all be given the same: whoever bears most gives to the one that bears least and can take
// some of it, once all have gone to where they belong, until no gap is left that a move would narrow. Ways through a third node would move twice as much for
// little gain.
func (v *view) inPairs(shares []share, me *peer, now Instant) []flow {
	held := make(map[*peer]map[*class]int64, len(shares))
	for _, sh := range shares {
		held[sh.peer] = map[*class]int64{}
		for c, w := range sh.peer.byClass {
			held[sh.peer][c] = w
		}
	}
	flows := strays(shares, held, me)
	for {
		slices.SortFunc(shares, func(a, b share) int {
			return cmp.Or(cmp.Compare(b.load*a.peer.Weight, a.load*b.peer.Weight), cmp.Compare(a.peer.id, b.peer.id))
		})
		from, to, c, w := widest(shares, held, v.band(now))
		if w == 0 {
			return flows
		}
		shares[from].load -= w
		shares[to].load += w
		held[shares[from].peer][c] -= w
		held[shares[to].peer][c] += w
		if shares[from].peer == me {
			flows = append(flows, flow{to: shares[to].peer, class: c, weight: w, why: whyEven})
		}
	}
}

// widest returns the two nodes with the widest gap that a move would narrow, of which class, and how much of it. The shares
// are in the order of their loads, most first.
func widest(shares []share, held map[*peer]map[*class]int64, band int64) (from, to int, c *class, w int64) {
	for i := range shares {
		for j := len(shares) - 1; j > i; j-- {
			a, b := &shares[i], &shares[j]
			gap := a.load*b.peer.Weight - b.load*a.peer.Weight
			half := min(gap/(a.peer.Weight+b.peer.Weight), b.room-b.load)
			if half <= 0 || gap*100 <= band*a.load*b.peer.Weight {
				break
			}
			var best *class
			for c, w := range held[a.peer] {
				if w > 0 && c != nil && c.welcome(a.peer, b.peer) && (best == nil || c.name < best.name) {
					best = c
				}
			}
			if best != nil {
				return i, j, best, min(half, held[a.peer][best])
			}
		}
	}
	return 0, 0, nil, 0
}

// strays sends what is held by a node that may not have it any more, or is not among those it prefers, to those that are to have it, as
// far as these have room: it came to be there when they had none, or were not there, or its spec was another.
func strays(shares []share, held map[*peer]map[*class]int64, me *peer) (flows []flow) {
	for i := range shares { // in order of id
		from := &shares[i]
		for _, c := range strangers(from.peer) {
			w := held[from.peer][c]
			best := slices.DeleteFunc(slices.Clone(shares), func(sh share) bool { return !c.first(sh.peer) })
			fill(best, w)
			for _, sh := range best {
				if sh.quota == 0 {
					continue
				}
				to := slices.IndexFunc(shares, func(other share) bool { return other.peer == sh.peer })
				shares[to].load += sh.quota
				from.load -= sh.quota
				held[from.peer][c] -= sh.quota
				held[sh.peer][c] += sh.quota
				if from.peer == me {
					flows = append(flows, flow{to: sh.peer, class: c, weight: sh.quota, why: whyStray})
				}
			}
		}
	}
	return flows
}

// strangers returns the classes of which a node holds something, though others are to have it first, in order.
func strangers(p *peer) (classes []*class) {
	for c := range p.byClass {
		if c != nil && len(c.best) > 0 && !c.first(p) {
			classes = append(classes, c)
		}
	}
	slices.SortFunc(classes, func(a, b *class) int { return cmp.Compare(a.name, b.name) })
	return classes
}

// welcome tells whether a node may give resources of a class to another to even out their loads: not if it belongs to the first
// more than to the second.
func (c *class) welcome(from, to *peer) bool {
	return c.first(to) || to.can(c) && !c.first(from)
}
