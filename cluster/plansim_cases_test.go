package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// outcome is what a case of the simulation must come to.
type outcome struct {
	lost   float64       // the most percent of bids lost
	moves  int           // exactly, -1 for any
	spread int           // between the most and the least held
	within time.Duration // from the start of the fault to the last claim; 0 for any
}

// check lets the cluster come to rest and compares.
func (s *planSim) check(since Instant, want outcome) {
	t := s.t
	t.Helper()
	s.run(15 * time.Second)
	held, unheld := s.state()
	least, most := 1<<30, 0
	for _, n := range held {
		least, most = min(least, n), max(most, n)
	}
	lost := 100 * float64(s.lost) / float64(max(1, s.bids))
	took := s.settledAt.Sub(since)
	t.Logf("%d bids, %.1f %% lost; %d moves; spread %d; last claim after %v", s.bids, lost, s.moves, most-least, took)
	most1 := 0
	for _, n := range s.moved {
		most1 = max(most1, n)
	}
	switch {
	case unheld > 0:
		t.Errorf("%d resources are held by nobody", unheld)
	case lost > want.lost:
		t.Errorf("%.1f %% of bids were lost, %.1f %% are the most", lost, want.lost)
	case want.moves >= 0 && s.moves != want.moves:
		t.Errorf("%d moves, want %d", s.moves, want.moves)
	case most-least > want.spread:
		t.Errorf("spread is %d, %d is the most: %v", most-least, want.spread, held)
	case want.within > 0 && took > want.within:
		t.Errorf("all were held after %v, %v is the most", took, want.within)
	}
	for _, n := range s.nodes {
		if !n.gone && !n.stuck {
			audit(t, n.v)
		}
	}
	moves := s.moves
	if s.run(60 * time.Second); s.moves != moves {
		t.Errorf("%d moves more in a minute of rest", s.moves-moves)
	}
}

// planCases are what may happen to many nodes, and what must come of it.
var planCases = []struct {
	name string
	run  func(s *planSim) (since Instant, want outcome)
}{
	{"boot", func(s *planSim) (Instant, outcome) {
		s.add(0, 1000)
		s.boot(10)
		return s.now, outcome{spread: 0, within: 2 * time.Second}
	}},
	{"resources before nodes and after", func(s *planSim) (Instant, outcome) {
		s.boot(5)
		s.run(3 * time.Second)
		s.add(0, 1000)
		return s.now, outcome{spread: 0, within: time.Second}
	}},
	{"crash of one", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.crash(s.nodes[3], 1)
		return s.now, outcome{spread: 1, within: time.Second}
	}},
	{"crash of one, leases in any order", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.crash(s.nodes[3], 20)
		return s.now, outcome{spread: 1, within: time.Second}
	}},
	{"crash of half", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		for _, n := range s.nodes[:5] {
			s.crash(n, 3)
		}
		return s.now, outcome{spread: 0, within: time.Second}
	}},
	{"join", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.start("late")
		return s.now, outcome{moves: 90, spread: 1}
	}},
	{"leave", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.leave(s.nodes[4])
		return s.now, outcome{moves: 100, spread: 1}
	}},
	{"join amid a crash", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.crash(s.nodes[3], 10)
		s.start("late")
		return s.now, outcome{moves: -1, spread: 1}
	}},
	{"churn", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		for i := range 1000 {
			s.after(0, 3*time.Second, func() { s.toggle(500 + i) })
		}
		return s.now, outcome{moves: -1, spread: 1}
	}},
	{"nodes list again amid adds", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		for i := range 1000 {
			s.after(0, time.Second, func() { s.add(1000+i, 1001+i) })
		}
		for _, n := range s.nodes[:3] {
			s.after(300*time.Millisecond, 600*time.Millisecond, n.list)
		}
		return s.now, outcome{lost: 5, moves: -1, spread: 1}
	}},
	{"crash while one is stuck", func(s *planSim) (Instant, outcome) {
		s.warm(10, 1000)
		s.nodes[1].stuck = true
		s.crash(s.nodes[3], 1)
		return s.now, outcome{lost: 5, moves: -1, spread: 20, within: 4 * time.Second}
	}},
	{"crash of one in three zones", func(s *planSim) (Instant, outcome) {
		s.offer = func(n *Node) { n.Zone = string(n.ID[1] % 3) }
		s.warm(10, 1000)
		s.crash(s.nodes[3], 1)
		return s.now, outcome{spread: 1, within: time.Second}
	}},
	{"new nodes among old ones, of two zones", func(s *planSim) (Instant, outcome) {
		s.offer = func(n *Node) {
			if n.Zone = string(n.ID[1] % 2); n.ID[1] < '5' {
				n.Planners = planners[:1]
			}
		}
		s.warm(10, 1000)
		s.crash(s.nodes[3], 1)
		s.crash(s.nodes[7], 1)
		s.start("late")
		return s.now, outcome{moves: -1, spread: 1, within: 2 * time.Second}
	}},
	{"restart before the leave is done", func(s *planSim) (Instant, outcome) {
		s.warm(5, 1000)
		s.leave(s.nodes[2])
		s.run(30 * time.Millisecond)
		s.crash(s.nodes[2], 50)
		s.start("n2")
		return s.now, outcome{moves: -1, spread: 1}
	}},
}

// The plan in a cluster whose nodes all see things at other moments. The figures are those of the study that chose this design: no
// bid is lost in boots, crashes and churn, few when nodes list again or one is stuck, and nothing moves that need not. Nodes of two
// versions of the planner go by the older.
// Seen to fail with bids before a join has settled (44 % lost), and with what is under way left out of balance (351 moves for 90),
// and with new nodes that go by the newer version beside old ones.
func TestPlanAmongMany(t *testing.T) {
	for _, c := range planCases {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", c.name, seed), func(t *testing.T) {
				s := newPlanSim(t, seed)
				since, want := c.run(s)
				s.check(since, want)
			})
		}
	}
}

// Nodes that missed something, and so plan from another state, come to agree with the others though resources come and go all the
// time. Seen to fail (with 3 to 11 % of bids lost for good) with disagreement ignored, with new plans at any
// revision, and with own answers folded like what the watch brings.
func TestDisagreementHeals(t *testing.T) {
	s := newPlanSim(t, 1)
	s.warm(10, 500)
	for range 4000 {
		s.after(0, 4*time.Second, func() { s.toggle(s.rng.IntN(1500)) })
	}
	for _, n := range s.nodes[:3] {
		s.after(100*time.Millisecond, 200*time.Millisecond, func() { n.stalled = true })
		s.after(400*time.Millisecond, 500*time.Millisecond, func() {
			n.stalled = false
			n.list()
		})
	}
	s.run(2500 * time.Millisecond)
	t.Logf("%d of %d bids were lost on the way", s.lost, s.bids)
	bids, lost := s.bids, s.lost
	s.run(1500 * time.Millisecond)
	if s.lost > lost || s.bids == bids {
		t.Errorf("two seconds later %d of %d bids are lost", s.lost-lost, s.bids-bids)
	}
}

// warm has a cluster at rest, and forgets what that took.
func (s *planSim) warm(nodes, resources int) {
	s.add(0, resources)
	s.boot(nodes)
	s.run(5 * time.Second)
	if held, unheld := s.state(); unheld > 0 || len(held) != nodes {
		s.t.Fatalf("%d resources are held by nobody, nodes have %v", unheld, held)
	}
	s.bids, s.lost, s.moves, s.settledAt = 0, 0, 0, 0
	clear(s.moved)
}

// toggle removes a resource, holder's claim and all, or adds it.
func (s *planSim) toggle(i int) {
	k := key(i)
	if _, ok := s.keys[ResourcePath(k)]; !ok {
		s.add(i, i+1)
		return
	}
	s.remove(ResourcePath(k))
	s.after(10*time.Millisecond, 60*time.Millisecond, func() { s.remove(ClaimPath(k)) })
}

// crash ends a node: its key goes first, then its claims, in so many parts and in any order.
func (s *planSim) crash(n *simulated, parts int) {
	n.gone = true
	s.remove(NodePath(n.id))
	claims := s.claimsOf(n.id)
	s.rng.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
	for part := range slices.Chunk(claims, max(1, (len(claims)+parts-1)/parts)) {
		slices.Sort(part)
		s.after(0, time.Duration(parts)*10*time.Millisecond, func() { s.remove(part...) })
	}
}

// leave has a node mark itself leaving, and go when it has nothing left.
func (s *planSim) leave(n *simulated) {
	s.change(n.id, func(node *Node) { node.Leaving = true })
	var look func()
	look = func() {
		if n.gone {
			return
		}
		if len(s.claimsOf(n.id)) == 0 {
			s.crash(n, 1)
			return
		}
		s.after(5*time.Millisecond, 5*time.Millisecond, look)
	}
	look()
}
