package cluster

import (
	"testing"
	"time"
)

// lopsided is a cluster of a, b and c in which a holds everything, seen by a and at rest.
func lopsided(t *testing.T, resources int) (*world, *view, Instant) {
	t.Helper()
	w, v, now := few(t, resources)
	for i := range resources {
		w.claim("a", key(i))
	}
	w.feed(v, w.rev, 1, now)
	now = now.Add(time.Minute)
	v.fold(Batch{Rev: v.rev, Fresh: now}, now, ignore)
	if v.replanDue(now) {
		v.replan(now)
	}
	return w, v, now
}

func anyOf(*slot) bool { return true }

// A node gives no more than the receivers have given credit for, in all and in each call. Seen to fail with moves under way left
// out of the credit.
func TestBalanceStaysWithinCredit(t *testing.T) {
	w, v, now := lopsided(t, 90)
	for _, id := range []string{"b", "c"} {
		w.change(id, func(n *Node) { n.Intake.Quota = 20 })
	}
	w.feed(v, w.rev, 1, now)
	moving := map[*slot]bool{}
	for range 3 {
		for _, m := range v.balance(now, len(moving), func(s *slot) bool { return !moving[s] }) {
			moving[m.slot] = true
		}
	}
	if want := 2 * v.credit(v.peer("b")); len(moving) != want || want != 20 {
		t.Errorf("%d moves are under way, want %d", len(moving), want)
	}
}

// What was held longest moves first, and what has been moved stays for a while. Seen to fail with the newest first, and without
// cooldown.
func TestBalanceTakesTheLongestHeld(t *testing.T) {
	_, v, now := lopsided(t, 9)
	moves := v.balance(now, 0, anyOf)
	if len(moves) != 6 {
		t.Fatalf("%d moves, want 6", len(moves))
	}
	for _, m := range moves {
		if m.slot.claim > v.slots[key(5)].claim {
			t.Errorf("%s moves, held since %d", m.slot.key, m.slot.claim)
		}
	}
	w2, v2, now := few(t, 6)
	for i := range 6 {
		w2.claim("b", key(i))
	}
	for i := range 6 {
		w2.handOff(key(i), "a")
	}
	w2.feed(v2, w2.rev, 1, now)
	v2.dirty = false
	if moves := v2.balance(now.Add(quiet), 0, anyOf); len(moves) > 0 {
		t.Errorf("%d resources move on that have only just come", len(moves))
	}
	if moves := v2.balance(now.Add(cooldown), 0, anyOf); len(moves) != 4 {
		t.Errorf("%d resources move after the cooldown, want 4", len(moves))
	}
}

// While resources come and go nothing moves for a few percent, and nothing at all while more than a few are held by nobody.
// Seen to fail without the band, and without the limit.
func TestBalanceWaits(t *testing.T) {
	w, v, now := few(t, 300)
	for i := range 300 {
		w.claim([]string{"a", "a", "a", "b", "b", "b", "c", "c", "c", "a"}[min(i%9+i/291, 9)], key(i))
	}
	w.feed(v, w.rev, 1, now)
	v.dirty = false
	now = now.Add(time.Minute)
	if len(v.balance(now, 0, anyOf)) == 0 {
		t.Error("nothing moves at rest")
	}
	clear(v.calm.moving)
	w.put(ResourcePath(key(300)), spec(1), 0)
	w.feed(v, w.rev, 1, now)
	if n := len(v.balance(now, 0, anyOf)); n > 0 {
		t.Errorf("%d resources move while others come", n)
	}
	w, v, now = lopsided(t, 90)
	for i := range 5 {
		w.put(ResourcePath(key(90+i)), spec(1), 0)
	}
	w.feed(v, w.rev, 1, now)
	if n := len(v.balance(now.Add(time.Minute), 0, anyOf)); n > 0 {
		t.Errorf("%d resources move while others have no holder", n)
	}
}

// Nodes that can't all be given the same are evened out in pairs, as far as labels let them. Seen to fail with the quotas of nodes
// that are alike.
func TestBalanceInPairs(t *testing.T) {
	w, now := newWorld(), Instant(time.Hour)
	var views []*view
	for _, id := range []string{"n1", "n2", "n3"} {
		v := newView(id)
		w.listTo(v, 100, now)
		views = append(views, v)
	}
	w.join(Node{ID: "n1", Kinds: []string{"x"}})
	w.join(Node{ID: "n2", Kinds: []string{"x", "y"}})
	w.join(Node{ID: "n3", Kinds: []string{"y"}})
	for i := range 90 {
		w.put(ResourcePath(key(i)), spec(1), 0)
		w.claim("n1", key(i))
	}
	w.put(ResourcePath(Key{"y", "1"}), spec(1), 0)
	w.claim("n3", Key{"y", "1"})
	moved := 0
	for range 4 {
		now = now.Add(time.Minute)
		for _, v := range views {
			w.feed(v, w.rev, 100, now)
			v.dirty = false
			for _, m := range v.balance(now, 0, anyOf) {
				if !m.to.can(m.slot.class) {
					t.Fatalf("%s is given %s", m.to.id, m.slot.key)
				}
				w.handOff(m.slot.key, m.to.id)
				moved++
			}
		}
	}
	if a, b := views[0].peer("n1").load, views[0].peer("n2").load; a != 45 || b != 45 || moved != 45 {
		t.Errorf("n1 bears %d and n2 %d of 90 after %d moves", a, b, moved)
	}
}
