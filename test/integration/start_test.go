//go:build linux

package integration

import (
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	w := onEtcd(t, 3, 30)
	w.balanced(3, 30)
	for _, n := range w.Nodes() {
		w.eventually("the same view everywhere", func() (bool, string) {
			info := w.ask(n)
			return info.Held == 30 && len(info.Nodes) == 3, n.Tail()
		})
	}
}

func TestResourcesBeforeNodes(t *testing.T) {
	w := onEtcd(t, 0, 0)
	w.putResources(0, 50)
	w.start("n1")
	w.allHeld(50)
}

func TestTwoThousandAtOnce(t *testing.T) {
	w := onEtcd(t, 3, 0)
	began := time.Now()
	w.putResources(0, 2000)
	w.allHeld(2000)
	t.Logf("2,000 resources put and held in %v", time.Since(began).Round(time.Millisecond))
	w.balanced(3, 2000)
	// On a machine too busy for a node to claim within a second, others claim for it, and balance sets that right, once. That nothing
	// moves when nobody is late is for the simulation of the plan, where time is not the machine's.
	moves := w.movedSince(2000)
	t.Logf("%d were moved afterwards", len(moves))
}

// A fourth node gets its share, each resource moves once at most, and none that needn't.
func TestJoin(t *testing.T) {
	w := onEtcd(t, 3, 200)
	w.balanced(3, 200)
	before := len(w.rec.Record().Conns)
	at := time.Now()
	w.start("n4")
	w.balanced(4, 200)
	w.logGaps(at)
	if moved := w.movedSince(before); len(moved) != 50 {
		t.Errorf("%d resources were moved, want 50", len(moved))
	}
}

// movedSince returns what was connected to after so many connections, and sees to it that it was once each.
func (w *world) movedSince(before int) map[string]bool {
	w.t.Helper()
	moved := map[string]bool{}
	for _, c := range w.rec.Record().Conns[before:] {
		if moved[c.Resource] {
			w.t.Errorf("%s was moved twice", c.Resource)
		}
		moved[c.Resource] = true
	}
	return moved
}

// More nodes than resources: nobody holds more than one, and a node with nothing is no trouble.
func TestFewResources(t *testing.T) {
	w := onEtcd(t, 3, 2)
	w.balanced(2, 2)
}
