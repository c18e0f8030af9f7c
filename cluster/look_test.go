package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// What is told of a node as to a resource is what the plan goes by; what a drain would leave behind is what it leaves behind, and asking
// changes nothing; and who looks on finds the moves that the nodes make. Seen to fail with a label's value left out of objections, with
// Bound not taking its question back, and with what choose takes for begun left standing in Balance.
func TestSnapshotIsThePlan(t *testing.T) {
	bound, moves := 0, 0
	for seed := range uint64(40) {
		c := newChaos(seed)
		c.start()
		for range 150 {
			c.step()
			c.follow()
			c.pass(c.v)
		}
		s := &Snapshot{view: c.lister(""), now: c.now, wall: time.Unix(1e9, 0)}
		for _, slot := range s.view.slots {
			for _, p := range s.view.members {
				if slot.class == nil {
					continue
				}
				if against := s.view.objections(slot, p); (len(against) == 0) != s.view.eligible(slot, p) {
					t.Fatalf("seed %d: %s is against %s on %s, and eligible is %t", seed, against, slot.key, p.id, s.view.eligible(slot, p))
				}
			}
		}
		for _, p := range s.view.members {
			bound += compareBound(t, c, p.id)
		}
		c.rest()
		moves += compareMoves(t, c)
	}
	if bound < 20 || moves < 20 {
		t.Errorf("only %d resources were bound and %d would move: the test shows nothing", bound, moves)
	}
}

// rest has all nodes there and willing, with other weights than before, and everything claimed and handed off that waits for it.
func (c *chaos) rest() {
	for i := range 6 {
		node := fmt.Sprintf("n%d", i)
		if _, there := c.keys[NodePath(node)]; !there {
			c.join(c.offer(node))
		}
		c.remove(CordonPath(node))
		c.change(node, func(n *Node) { n.Leaving, n.Weight = false, 1+c.rng.Int64N(5) })
	}
	slots := slices.Collect(maps.Values(c.lister("").slots))
	sortSlots(slots, heaviestFirst)
	for _, slot := range slots {
		if slot.target != nil && slot.unheld() {
			c.remove(ClaimPath(slot.key))
			c.claim(slot.target.id, slot.key)
		} else if slot.target != nil {
			c.handOff(slot.key, slot.target.id)
		}
	}
}

// lister returns the view of one who lists now.
func (c *chaos) lister(id string) *view {
	v := newView(id)
	c.listTo(v, 1000, c.now)
	v.replan(c.now)
	return v
}

// compareBound holds what a drain of a node is told to leave behind against what it does.
func compareBound(t *testing.T, c *chaos, node string) int {
	t.Helper()
	s := &Snapshot{view: c.lister(""), now: c.now}
	was := *s.view.peer(node)
	bound := s.Bound(node)
	audit(t, s.view)
	if now := s.view.peer(node); now.draining != was.draining || now.cordoned != was.cordoned {
		t.Fatalf("to ask about %s has changed it", node)
	}
	v := c.lister("")
	p := v.peer(node)
	p.cordoned, p.draining = true, true
	v.reconsider(p, step{now: c.now})
	n := 0
	for slot := range p.held.all() {
		if slot.live() && slot.target == nil {
			n++
		}
	}
	if len(bound) != n {
		t.Fatalf("%d are told to be bound to %s, %d are", len(bound), node, n)
	}
	return n
}

// compareMoves holds the moves of a snapshot against those of each node.
func compareMoves(t *testing.T, c *chaos) int {
	t.Helper()
	s := &Snapshot{view: c.lister(""), now: c.now}
	b := s.Balance()
	if b.Waits != "" {
		return 0
	}
	var want []Move
	for _, p := range s.view.members {
		v := c.lister(p.id)
		for _, m := range v.balance(c.now.Add(quiet), 0, func(*slot) bool { return true }) {
			want = append(want, Move{Key: m.slot.key, Weight: int64(m.slot.weight), From: p.id, To: m.to.id, Why: m.why})
		}
	}
	if !slices.Equal(b.Moves, want) {
		t.Fatalf("who looks on sees the moves %v, the nodes make %v", b.Moves, want)
	}
	for _, share := range b.Shares {
		after := s.view.peer(share.Node).load
		for _, m := range want {
			switch share.Node {
			case m.From:
				after -= m.Weight
			case m.To:
				after += m.Weight
			}
		}
		if share.After != after {
			t.Fatalf("%s bears %d after all moves, told is %d", share.Node, after, share.After)
		}
	}
	return len(want)
}
