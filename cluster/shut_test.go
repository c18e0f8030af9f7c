package cluster_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// What could not be handed to a node, because its intake lease is gone while its key stands, runs on where it was until that node has named
// another lease. Seen to fail with the refusal forgotten: then it is tried again before its runner is back, and has none for as long.
func TestNothingIsHandedToALeaseThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 5)
		s.start("a")
		b := s.start("b")
		time.Sleep(5 * time.Second)
		s.memory.Put(cluster.CordonPath("b"), "{}")
		s.putAll(20)
		s.settle(10 * time.Second)
		record, _ := s.memory.Get(cluster.NodePath("b"))
		var node cluster.Node
		if err := json.Unmarshal(record.Value, &node); err != nil {
			t.Fatal(err)
		}
		slow(b, time.Second)
		s.memory.Delete(cluster.CordonPath("b"))
		time.Sleep(1900 * time.Millisecond)
		s.memory.RevokeLease(node.Intake.Lease)
		time.Sleep(2 * time.Second)
		s.require(len(s.events("a", cluster.Stopped)) > 0, "a has not tried")
		s.require(len(s.missing()) == 0, "%v", s.missing())
		s.require(len(s.events("a", cluster.HandedOff)) == 0, "b has named another lease already: the test shows nothing")
		slow(b, 0)
		time.Sleep(40 * time.Second)
		s.require(len(s.missing()) == 0, "%v", s.missing())
		s.balanced([]string{"a", "b"})
		s.end()
	})
}
