package cluster

import "slices"

// Guarded is what a supervisor must know to end a node's term for it.
type Guarded struct {
	Term     TermID
	Named    int     // leases have been asked for by the ids Term.Lease(0) … Term.Lease(Named-1), and no others
	Live     []Span  // of those, the ones that may hold something, in order, with a few that hold nothing
	Deadline Instant // when trust of the first lease ends; 0: nothing is held
}

// Span is the lease numbers from one to another, both included.
type Span struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// maxSpans bounds what a supervisor is told at once: a line of it must fit into what a pipe takes whole, 4,096 bytes.
const maxSpans = 64

// Leases returns the ids of the leases that may hold something, the node lease first.
func (g *Guarded) Leases() []LeaseID {
	var ids []LeaseID
	for _, s := range g.Live {
		for n := s.First; n <= s.Last; n++ {
			ids = append(ids, g.Term.Lease(n))
		}
	}
	return ids
}

// After returns what is known when g was said after an earlier word, or before it: two goroutines speak, and their
// words may change places. What was named since the one that knew less is taken for live.
func (g Guarded) After(earlier Guarded) Guarded {
	if g.Term == earlier.Term && g.Named < earlier.Named {
		g.Live = append(slices.Clone(g.Live), Span{g.Named, earlier.Named - 1})
		g.Named = earlier.Named
	}
	return g
}

// report tells the supervisor which leases there are and when the first trust ends. Leases that are lost and have no
// runner left don't count for that: nothing can overrun there. One that is granted but not told of yet holds nothing.
func (t *term) report() {
	g := Guarded{Term: t.id, Named: int(t.named.Load())}
	numbers := make([]int, 0, len(t.all()))
	for _, l := range t.all() {
		numbers = append(numbers, int(l.id&0xffff))
		if (l.live.Load() > 0 || !l.lost.Load()) && (g.Deadline == 0 || l.deadline() < g.Deadline) {
			g.Deadline = l.deadline()
		}
	}
	g.Live = spans(numbers, maxSpans)
	t.cfg.Guard(g)
}

// spans puts numbers into so many spans at most, with the least of others between them.
func spans(numbers []int, most int) []Span {
	slices.Sort(numbers)
	var all []Span
	for _, n := range numbers {
		if last := len(all) - 1; last >= 0 && n <= all[last].Last+1 {
			all[last].Last = n
			continue
		}
		all = append(all, Span{n, n})
	}
	for len(all) > most {
		closest := 1
		for i := range all[1:] {
			if all[i+1].First-all[i].Last < all[closest].First-all[closest-1].Last {
				closest = i + 1
			}
		}
		all[closest-1].Last = all[closest].Last
		all = slices.Delete(all, closest, closest+1)
	}
	return all
}
