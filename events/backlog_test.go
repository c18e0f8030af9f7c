package events

import "testing"

// Seen to fail with Unread counting topics instead of feeds, and with Count taking in what is gone.
func TestTheBacklogIsCounted(t *testing.T) {
	r := newRig(t, Options{}).run()
	if n := r.Count("a", Position{}); n != 0 {
		t.Errorf("counted %d in an empty log", n)
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
	if n := r.Count("a", Position{Rev: first, Name: "a/1"}); n != 2 {
		t.Errorf("counted %d; want 2", n)
	}
	r.del("a/2")
	rev := r.publish("a/4", "1")
	f.Close()
	if err := r.reach(r.ctx, rev); err != nil {
		t.Fatal(err)
	}
	if n := r.Count("a", Position{}); n != 3 {
		t.Errorf("counted %d after one was deleted; want 3", n)
	}
}
