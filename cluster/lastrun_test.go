package cluster_test

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// A runner is told how its claim came and when the resource was last run, so that it can tell what it has missed. Seen to fail with
// LastRun only of what came from other nodes, and with the gap of a claim looked at after it was forgotten.
func TestLastRun(t *testing.T) {
	play(t, func(s *sim) {
		key := resource(1)
		s.start("a")
		s.put(key, "{}")
		s.settle(20 * time.Second)
		if c := s.ledger.claimOf(key); c.Change != cluster.ChangeNew || !c.LastRun.IsZero() {
			t.Errorf("what nobody ever ran came as %q, last run at %s", c.Change, c.LastRun)
		}
		follows := func(change string, since time.Time, what func()) {
			t.Helper()
			before := s.ledger.claimOf(key).Epoch
			what()
			for s.ledger.claimOf(key).Epoch <= before && time.Since(since) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			began := time.Now()
			if c := s.ledger.claimOf(key); c.Change != change || c.LastRun.Before(since) || c.LastRun.After(began) {
				t.Errorf("came as %q, last run at %s; want %q, from %s to %s", c.Change, c.LastRun, change, since, began)
			}
		}
		follows(cluster.ChangeRenewed, time.Now(), func() { s.put(key, `{"other":1}`) })
		s.start("b")
		time.Sleep(5 * time.Second) // until it knows what there is
		follows(cluster.ChangeHandOff, time.Now(), func() { s.shutdown("a") })
		s.start("c")
		time.Sleep(5 * time.Second)
		follows(cluster.ChangeTakeover, time.Now(), func() { s.crash("b", true) })
	})
}
