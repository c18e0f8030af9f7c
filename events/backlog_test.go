package events

import "testing"

// Seen to fail with Unread counting topics instead of feeds, and with Exceeds counting what is gone, and what
// lies before the position.
func TestTheBacklogIsCounted(t *testing.T) {
	r := newRig(t, Options{}).run()
	if r.Exceeds("a", Position{}, 0) {
		t.Error("an empty log has events")
	}
	first := r.publish("a/1", "1", "b/1", "1")
	r.publish("a/2", "1", "a/3", "1")
	f, g := r.Subscribe([]string{"*"}, Position{}), r.Subscribe([]string{"a"}, Position{})
	defer g.Close()
	r.next(f, 3)
	r.next(g, 1)
	if n := r.Unread(); n != 1+2 {
		t.Errorf("%d are unread; want 3", n)
	}
	if after := (Position{Rev: first, Name: "a/1"}); !r.Exceeds("a", after, 1) || r.Exceeds("a", after, 2) {
		t.Errorf("after %v there are not 2", after)
	}
	r.del("a/2")
	rev := r.publish("a/4", "1")
	f.Close()
	if err := r.reach(r.ctx, rev); err != nil {
		t.Fatal(err)
	}
	if !r.Exceeds("a", Position{}, 2) || r.Exceeds("a", Position{}, 3) {
		t.Error("after one was deleted there are not 3")
	}
}
