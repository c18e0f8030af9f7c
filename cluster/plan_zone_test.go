package cluster

import (
	"math/rand/v2"
	"testing"
)

// zonePart is what the nodes of a zone are to have.
type zonePart struct{ nodes, quota int64 }

func zoneParts(shares []share) map[*zone]zonePart {
	parts := map[*zone]zonePart{}
	for _, sh := range shares {
		part := parts[sh.peer.in]
		parts[sh.peer.in] = zonePart{part.nodes + 1, part.quota + sh.quota}
	}
	return parts
}

// checkZones requires that each zone has its part of the whole, rounded up or down.
func checkZones(t *testing.T, seed uint64, shares []share, all int64) {
	t.Helper()
	for _, part := range zoneParts(shares) {
		if off := part.quota*int64(len(shares)) - all*part.nodes; max(off, -off) >= int64(len(shares)) {
			t.Fatalf("seed %d: a zone of %d nodes out of %d is to have %d of %d", seed, part.nodes, len(shares), part.quota, all)
		}
	}
}

// Whichever zone is lost, no more is without a holder than the part of its nodes, rounded: by what nodes are given when all is homeless,
// and by what they are to have however it came to lie. Seen to fail with what rounding leaves over dealt in the order of the nodes.
func TestZonesHaveTheirParts(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 6))
		ps, _ := randomPlan(rng, false, false)
		shares, all := sharesOf(ps), int64(0)
		for i := range shares {
			all += shares[i].load
		}
		divide(shares)
		checkZones(t, seed, shares, all)
		for i := range shares {
			shares[i].load = 0
		}
		fill(shares, all)
		checkZones(t, seed, shares, all)
	}
}

// What comes one by one is spread over the zones as well as what is planned at once. Seen to fail with ties of nodes that are not
// decided by zone: then three resources are in one zone of three in every ninth case.
func TestOneByOneOverZones(t *testing.T) {
	for seed := range uint64(100) {
		ps := members(1, 1, 1, 1, 1, 1)
		zones := []*zone{{weight: 2}, {weight: 2}, {weight: 2}}
		for i, p := range ps {
			p.in = zones[i/2]
		}
		c := &class{name: "x", kind: "x", able: ps, best: ps}
		for i := range 12 {
			s := &slot{hash: xxhashOf(key(int(seed)*12 + i).String()), weight: 1, class: c}
			home(s).bear(1)
			least, most := zones[0].load, zones[0].load
			for _, z := range zones {
				least, most = min(least, z.load), max(most, z.load)
			}
			if most-least > 1 {
				t.Fatalf("seed %d: after %d resources, zones have from %d to %d", seed, i+1, least, most)
			}
		}
	}
}
