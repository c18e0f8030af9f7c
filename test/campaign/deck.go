//go:build linux

package campaign

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A hand holds no more faults than a cluster of three members and five nodes must be able to bear at once.
const (
	mostFaults = 4
	mostNodes  = 2 // that are hit
)

// card is one fault that is due, and all that chance decides about it.
type card struct {
	fault
	node  int           // that it hits, counted from 1; 0: none
	after time.Duration // the one before it in its hand
	seed  uint64        // for what it decides by itself
}

// deck deals hands of faults, the same from the same seed.
type deck struct {
	rand   *rand.Rand
	faults []fault // that can be made here
	cards  []fault // left of the present shuffle
}

func newDeck(seed uint64, faults []fault) *deck {
	return &deck{rand: rand.New(rand.NewPCG(seed, seed)), faults: faults}
}

// deal returns the next hand: the first card that hits etcd, since there is only one of these to a hand, and from the top of the deck
// each further one that fits; they are made in any order.
func (d *deck) deal() []card {
	if len(d.cards) == 0 {
		d.cards = append(d.cards, d.faults...)
		d.rand.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	if first := slices.IndexFunc(d.cards, func(f fault) bool { return f.hits == hitsEtcd }); first > 0 {
		f := d.cards[first]
		d.cards = slices.Insert(slices.Delete(d.cards, first, first+1), 0, f)
	}
	nodes := d.rand.Perm(nodeCount)
	var hand []card
	var left []fault
	for _, f := range d.cards {
		if !fits(f, hand) {
			left = append(left, f)
			continue
		}
		c := card{fault: f, after: time.Duration(d.rand.Int64N(int64(700 * time.Millisecond))), seed: d.rand.Uint64()}
		if f.hits == hitsNode {
			c.node = nodes[0] + 1
			nodes = nodes[1:]
		}
		hand = append(hand, c)
	}
	d.cards = left
	d.rand.Shuffle(len(hand), func(i, j int) { hand[i], hand[j] = hand[j], hand[i] })
	return hand
}

// fits tells whether a cluster can bear a fault besides those of a hand.
func fits(f fault, hand []card) bool {
	nodes := 0
	for _, c := range hand {
		switch {
		case f.hits == hitsEtcd && c.hits == hitsEtcd, f.starts && c.rests, f.rests && c.starts:
			return false
		case c.hits == hitsNode:
			nodes++
		}
	}
	return len(hand) < mostFaults && (f.hits != hitsNode || nodes < mostNodes)
}
