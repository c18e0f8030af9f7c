package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Numbers that make no sense, written by hand, are refused by name and hurt nobody else: a node that has them is as good as gone, a resource
// that has them waits and says why. Seen to fail with weights that are not checked: nodes of weight 0 divide by it.
func TestSenselessNumbers(t *testing.T) {
	for _, weight := range []string{"0", "-1", "NaN", "1e308", "1001", `"3"`, "9223372036854775807", "0.5"} {
		w, v, now := few(t, 6)
		node := strings.Replace(string(w.keys[NodePath("a")].Value), `"weight":1`, `"weight":`+weight, 1)
		w.commit(Record{Path: NodePath("bad"), Value: []byte(node), Lease: 1 << 40})
		w.commit(Record{Path: ResourcePath(key(100)), Value: fmt.Appendf(nil, `{"weight": %s}`, weight)})
		w.feed(v, w.rev, 1, now)
		if v.peer("bad") != nil || len(v.told) != 2 {
			t.Errorf("weight %s: node %v; refused are %v", weight, v.peer("bad"), v.told)
		}
		if reason := v.unheldReason(v.slots[key(100)]); reason != UnheldInvalid {
			t.Errorf("weight %s: the resource is %s", weight, reason)
		}
		now = now.Add(time.Second)
		v.fold(Batch{Rev: v.rev, Fresh: now}, now, ignore)
		v.replan(now)
		if n := len(targets(v)); n != 6 {
			t.Errorf("weight %s: %d of 6 resources have a target", weight, n)
		}
		audit(t, v)
	}
}

// A node without room is given nothing, odd zones are zones like others, and nodes of any TTL are planned for alike. Seen to fail with a
// capacity of 0 taken for none.
func TestOddNodes(t *testing.T) {
	w, now, none := newWorld(), Instant(time.Hour), int64(0)
	v := newView("")
	w.listTo(v, 100, now)
	w.join(Node{ID: "full", Capacity: &none})
	for i, zone := range []string{"", " ", "eu/1", "\x00", strings.Repeat("z", 1000), "zone=\"a\""} {
		w.join(Node{ID: fmt.Sprintf("n%d", i), Zone: zone})
		w.change(fmt.Sprintf("n%d", i), func(n *Node) { n.TTL = Duration(i) * Duration(time.Hour) })
	}
	for i := range 60 {
		w.put(ResourcePath(key(i)), spec(1), 0)
	}
	w.feed(v, w.rev, 1, now)
	now = now.Add(time.Second)
	v.fold(Batch{Rev: v.rev, Fresh: now}, now, ignore)
	v.replan(now)
	given := map[string]int{}
	for _, node := range targets(v) {
		given[node]++
	}
	if len(given) != 6 || given["n0"] != 10 || given["n5"] != 10 {
		t.Errorf("nodes are given %v", given)
	}
	audit(t, v)
}
