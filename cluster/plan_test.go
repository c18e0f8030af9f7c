package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// members makes peers that take everything.
func members(weights ...int64) []*peer {
	var ps []*peer
	for i, w := range weights {
		id := fmt.Sprintf("n%d", i)
		ps = append(ps, &peer{
			id: id, rev: 1, hash: xxhashOf(id),
			Node: Node{ID: id, Weight: w, Kinds: []string{"x"}, Planners: []int{planners[len(planners)-1]}},
		})
	}
	return ps
}

// randomPlan makes a class of slots and the nodes that may have them, loaded somehow.
func randomPlan(rng *rand.Rand, weighted, capped bool) ([]*peer, []*slot) {
	weights := make([]int64, 1+rng.IntN(8))
	for i := range weights {
		if weights[i] = 1; weighted {
			weights[i] = 1 + rng.Int64N(5)
		}
	}
	ps := members(weights...)
	for _, p := range ps {
		p.load = rng.Int64N(30)
		if capped {
			room := p.load + rng.Int64N(30)
			p.Capacity = &room
		}
	}
	zones := []*zone{{}, {}, {}}
	for _, p := range ps {
		if p.in = zones[0]; rng.IntN(3) > 0 {
			p.in = zones[rng.IntN(3)]
		}
		p.in.load, p.in.weight = p.in.load+p.load, p.in.weight+p.Weight
	}
	c := &class{name: "x", kind: "x", able: ps, best: ps}
	slots := make([]*slot, rng.IntN(80))
	for i := range slots {
		k := key(i)
		slots[i] = &slot{key: k, hash: xxhashOf(k.String()), weight: 1, class: c}
	}
	return ps, slots
}

func planned(slots []*slot) map[Key]string {
	for _, s := range slots {
		s.target = nil
	}
	sortSlots(slots, choosiestFirst)
	replan(slots, aimAt)
	got := map[Key]string{}
	for _, s := range slots {
		if s.target != nil {
			got[s.key] = s.target.id
			s.target.load -= int64(s.weight)
		}
	}
	return got
}

func aimAt(s *slot, p *peer) {
	s.target = p
	p.load += int64(s.weight)
}

// Whoever carries out any part of a plan and plans again gets the same for the rest. Seen to fail with home in place of the
// quotas: choosing greedily in turn changed half of the targets.
func TestReplanIsUnchangedByItsExecution(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		_, slots := randomPlan(rng, seed%2 == 0, seed%3 == 0)
		first := planned(slots)
		var rest []*slot
		for _, s := range slots {
			if first[s.key] != "" && rng.IntN(2) == 0 {
				s.target.load += int64(s.weight) // claimed
			} else {
				rest = append(rest, s)
			}
		}
		for k, to := range planned(rest) {
			if first[k] != to {
				t.Fatalf("seed %d: %s was for %s and is for %s after part of the plan was done", seed, k, first[k], to)
			}
		}
	}
}

// A plan doesn't depend on the order in which the slots are given. Seen to fail without sorting.
func TestReplanHasNoHistory(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		_, slots := randomPlan(rng, true, true)
		for _, s := range slots {
			s.weight = 1 + int16(rng.IntN(9))
		}
		first := planned(slots)
		rng.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
		if again := planned(slots); !maps.Equal(first, again) {
			t.Fatalf("seed %d: %v, then %v", seed, first, again)
		}
	}
}

// What is homeless is poured to one level: no node that was given something has more by weight than another with room would with
// one more. Seen to fail with the leftovers of rounding all given to the first node.
func TestReplanEvensOut(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		ps, slots := randomPlan(rng, seed%2 == 0, seed%3 == 0)
		got := planned(slots)
		given := map[*peer]bool{}
		for _, s := range slots {
			if got[s.key] != "" {
				s.target.load++
				given[s.target] = true
			}
		}
		for _, a := range ps {
			for _, b := range ps {
				if given[a] && b.load < b.Room() && (a.load-1)*b.Weight > (b.load+1)*a.Weight {
					t.Fatalf("seed %d: %s has %d/%d, %s only %d/%d", seed, a.id, a.load, a.Weight, b.id, b.load, b.Weight)
				}
			}
			if a.load > a.Room() {
				t.Fatalf("seed %d: %s has %d of %d", seed, a.id, a.load, a.Room())
			}
		}
	}
}

// Nodes whose loads are equal get equal parts, though their ids differ by one digit: so good is the hash. Seen to fail
// without the mixing, when each of two nodes got 750 of 3000.
func TestRendezvousIsFair(t *testing.T) {
	ps := members(1, 1, 1)
	won := map[string]int{}
	for i := range 3000 {
		s := &slot{hash: xxhashOf(key(i).String())}
		best := slices.MaxFunc(ps, func(a, b *peer) int { return cmp.Compare(rendezvous(s, a), rendezvous(s, b)) })
		won[best.id]++
	}
	for id, n := range won {
		if n < 900 || n > 1100 {
			t.Errorf("%s is first for %d of 3000", id, n)
		}
	}
}

// Quotas sum up to the load, differ by one at most, and need no more moves than there is excess; carrying out some moves leaves the
// others as they were. Seen to fail with `load > quota` asked of the growing quota, and with spare ones given in plain order.
func TestDivideIsSteady(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 4))
		ps, _ := randomPlan(rng, false, false)
		shares := sharesOf(ps)
		divide(shares)
		checkQuotas(t, seed, shares)
		before := allFlows(shares)
		for from, flows := range before {
			for i := range flows {
				done := rng.Int64N(flows[i].weight + 1)
				from.load -= done
				flows[i].to.load += done
				flows[i].weight -= done
			}
		}
		shares = sharesOf(ps)
		divide(shares)
		after := allFlows(shares)
		for _, p := range ps {
			left := slices.DeleteFunc(before[p], func(f flow) bool { return f.weight == 0 })
			if !slices.Equal(left, after[p]) {
				t.Fatalf("seed %d: %s was left with %v, and gives %v", seed, p.id, left, after[p])
			}
		}
	}
}

func checkQuotas(t *testing.T, seed uint64, shares []share) {
	t.Helper()
	var load, quota, excess int64
	least, most := shares[0].quota, shares[0].quota
	for _, sh := range shares {
		load += sh.load
		quota += sh.quota
		least, most = min(least, sh.quota), max(most, sh.quota)
	}
	for _, sh := range shares {
		excess += max(0, sh.load-sh.quota)
	}
	if load != quota || most-least > 1 {
		t.Fatalf("seed %d: load %d, quotas %d, from %d to %d", seed, load, quota, least, most)
	}
	if part := zoneParts(shares); excess < leastMoves(shares) || excess > leastMoves(shares)+int64(len(part)) || len(part) == 1 && excess != leastMoves(shares) {
		t.Fatalf("seed %d: excess %d, %d with one zone", seed, excess, leastMoves(shares))
	}
}

// leastMoves is how many moves even out equal nodes at the least.
func leastMoves(shares []share) int64 {
	loads := make([]int64, len(shares))
	var sum int64
	for i, sh := range shares {
		loads[i] = sh.load
		sum += sh.load
	}
	slices.SortFunc(loads, func(a, b int64) int { return cmp.Compare(b, a) })
	floor, spare := sum/int64(len(loads)), sum%int64(len(loads))
	var moves int64
	for i, load := range loads {
		part := floor
		if int64(i) < spare {
			part++
		}
		moves += max(0, load-part)
	}
	return moves
}

func sharesOf(ps []*peer) []share {
	var shares []share
	for _, p := range ps {
		shares = append(shares, share{peer: p, load: p.load, room: p.Room()})
	}
	return shares
}

func allFlows(shares []share) map[*peer][]flow {
	flows := map[*peer][]flow{}
	for _, sh := range shares {
		flows[sh.peer] = endToEnd(shares, sh.peer)
	}
	return flows
}

// The quotas that a plan fills and those that balance asks for are the same, or every boot would end in moves. Seen to fail with
// divide rounding levels down to whole units.
func TestPlanLeavesNothingToBalance(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 5))
		ps, slots := randomPlan(rng, true, seed%3 == 0)
		for _, p := range ps {
			p.load = 0
		}
		got := planned(slots)
		for _, s := range slots {
			if got[s.key] != "" {
				s.target.load++
			}
		}
		shares := sharesOf(ps)
		divide(shares)
		for p, flows := range allFlows(shares) {
			if len(flows) > 0 {
				t.Fatalf("seed %d: %s is to give %v", seed, p.id, flows)
			}
		}
	}
}
