package metrics

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

func busyStats() cluster.Stats {
	return cluster.Stats{
		At: time.Now(), Rev: 1234, Term: 7, Planned: true, Trust: 4 * time.Second, Leases: 3,
		Nodes:     map[string]int{"ready": 2, "leaving": 1, "on holiday": 1},
		Resources: map[string]int{"websocket": 10, "made-up": 2, "made-up-too": 3},
		Held:      map[string]map[string]int{"websocket": {"connected": 4, "dreaming": 1}},
		Unheld: map[string]cluster.Unheld{
			cluster.UnheldWaiting: {Count: 2, Oldest: time.Now().Add(-time.Hour)},
			cluster.UnheldKind:    {Count: 5},
		},
		Invalid: map[string]int{"websocket": 1},
	}
}

func TestGauges(t *testing.T) {
	m := fresh(busyStats())
	want(t, m, map[string]float64{
		`drm_resources{kind="websocket",state="connected"}`:                                4,
		`drm_resources{kind="websocket",state="dreaming"}`:                                 1,
		`drm_resources{kind="redis",state="running"}`:                                      0,
		`drm_cluster_resources{kind="websocket"}`:                                          10,
		`drm_cluster_resources{kind="redis"}`:                                              0,
		`drm_cluster_resources{kind="other"}`:                                              5,
		`drm_cluster_nodes{state="ready"}`:                                                 2,
		`drm_cluster_nodes{state="cordoned"}`:                                              0,
		`drm_cluster_nodes{state="other"}`:                                                 1,
		`drm_cluster_resources_unowned{reason="waiting"}`:                                  2,
		`drm_cluster_resources_unowned{reason="kind"}`:                                     5,
		`drm_cluster_resources_unowned{reason="paused"}`:                                   0,
		`drm_cluster_resources_unowned_oldest_seconds{reason="kind"}`:                      0,
		`drm_cluster_resources_unowned_oldest_seconds{reason="paused"}`:                    0,
		`drm_invalid_specs{kind="websocket"}`:                                              1,
		`drm_leases`:                                                                       3,
		`drm_planned`:                                                                      1,
		`drm_view_revision`:                                                                1234,
		`drm_build_info{goversion="` + goversion(t) + `",revision="abc",version="v1.2.3"}`: 1,
		`drm_node_info{node="a"}`:                                                          1,
	})
	got := series(t, m)
	if age := got[`drm_cluster_resources_unowned_oldest_seconds{reason="waiting"}`]; age < 3600 || age > 3700 {
		t.Errorf("oldest has waited for %v s, want an hour", age)
	}
	if trust := got[`drm_lease_trust_seconds`]; trust <= 3 || trust > 4 {
		t.Errorf("trust is %v s, want a little less than 4", trust)
	}
	if at := got[`drm_stats_timestamp_seconds`]; time.Since(time.UnixMilli(int64(at*1000))).Abs() > time.Minute {
		t.Errorf("stats are as of %v, want now", at)
	}
}

// A state that nothing is in any more must be seen to fall to 0. Seen to fail without collector.held.
func TestStateFallsToZero(t *testing.T) {
	var now atomic.Pointer[cluster.Stats]
	now.Store(&cluster.Stats{Held: map[string]map[string]int{"websocket": {"dreaming": 3}}})
	m := New(Options{Kinds: []string{"websocket"}})
	m.Collect(func() cluster.Stats { return *now.Load() })
	want(t, m, map[string]float64{`drm_resources{kind="websocket",state="dreaming"}`: 3})
	now.Store(&cluster.Stats{})
	want(t, m, map[string]float64{`drm_resources{kind="websocket",state="dreaming"}`: 0})
}

// Between two publications of the loop trust goes on running out, never below 0, and a node without a term has none.
// Seen to fail without the time since Stats.At taken off.
func TestTrustRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stats := cluster.Stats{At: time.Now(), Term: 1, Trust: 3 * time.Second}
		m := fresh(stats)
		for _, remaining := range []float64{3, 2, 1, 0, 0} {
			if got := gathered(t, m, "drm_lease_trust_seconds"); got != remaining {
				t.Errorf("trust is %v s, want %v", got, remaining)
			}
			time.Sleep(time.Second)
		}
		stats = cluster.Stats{At: time.Now(), Trust: 3 * time.Second}
		if got := gathered(t, fresh(stats), "drm_lease_trust_seconds"); got != 0 {
			t.Errorf("trust between terms is %v s, want 0", got)
		}
	})
}

// gathered reads one gauge from the registry itself: no socket can be used in a bubble.
func gathered(t *testing.T, m *Metrics, name string) float64 {
	t.Helper()
	c := m.registry
	all, err := c.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == name {
			return family.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
