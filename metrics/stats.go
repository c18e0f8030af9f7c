package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

var (
	nodeStates    = []string{"ready", "ailing", "leaving", "cordoned", "draining"}
	unheldReasons = []string{
		cluster.UnheldWaiting, cluster.UnheldPaused, cluster.UnheldInvalid, cluster.UnheldKind,
		cluster.UnheldRequires, cluster.UnheldCapacity, cluster.UnheldNoNode, cluster.UnheldDeleted,
	}
	// runStates are the words that the loop has for a resource held here; the runner of a kind adds its own.
	runStates = []string{"starting", "running", "stopping", "failed", "quarantined", "invalid", "done", "held"}
)

// gauge describes one gauge.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	heldDesc = gauge("drm_resources", "Resources that this node holds, by kind and by state as the kind itself calls it.", "kind", "state")

	invalidDesc = gauge("drm_invalid_specs",
		"Resources held here whose newest spec was refused, by kind; the last good one, if there was any, goes on.", "kind")

	troubledDesc = gauge("drm_troubled_resources",
		"Resources held here with which something is wrong, by kind, whatever their state.", "kind")

	partDesc = gauge("drm_node_weight_ratio",
		"The part of its weight that this node asks for: 1, less while resources fail here that run elsewhere, 0 between terms.")

	resourcesDesc = gauge("drm_cluster_resources", "Resources in the cluster, by kind.", "kind")

	nodesDesc = gauge("drm_cluster_nodes", "Nodes in the cluster, by state.", "state")

	unheldDesc = gauge("drm_cluster_resources_unowned",
		"Resources in the cluster that no node holds, by reason; only waiting and deleted end without anybody's doing.", "reason")

	// Prometheus' advice is to export the time since when rather than an age, because an age must be kept up to
	// date. This one is computed when asked for. As an age it is 0 when nothing waits, where a timestamp would have
	// no value that means so, and it doesn't depend on two machines' clocks agreeing.
	unheldAgeDesc = gauge("drm_cluster_resources_unowned_oldest_seconds",
		"How long the resource without a holder that has waited longest has waited, by reason; 0 when there is none.", "reason")

	trustDesc = gauge("drm_lease_trust_seconds",
		"Time until this node must have stopped everything unless etcd renews its leases; 0 between terms.")

	leasesDesc = gauge("drm_leases", "Leases that this node has in its present term.")

	plannedDesc = gauge("drm_planned", "1 once the first plan of the present term is made, else 0.")

	revisionDesc = gauge("drm_view_revision",
		"The etcd revision that this node's view is as of; a node that stays behind the others is blind.")

	updatedDesc = gauge("drm_stats_timestamp_seconds",
		"When the node's loop last told of its state, in seconds since 1970; 0 before the first time. It does so several "+
			"times a second, whether etcd answers or not.")
)

// Collect registers the gauges, which read stats at each scrape. Call it once, when the loop exists; stats may be
// called concurrently and must not block.
func (m *Metrics) Collect(stats func() cluster.Stats) {
	c := &collector{stats: stats, kinds: m.kinds, held: map[[2]string]bool{}}
	for _, kind := range m.kinds {
		for _, state := range slices.Concat(runStates, resources.States()) {
			c.held[[2]string{kind, state}] = true
		}
	}
	m.registry.MustRegister(c)
}

type collector struct {
	stats func() cluster.Stats
	kinds []string

	mu sync.Mutex
	// held remembers each kind and state that was ever reported: one that nothing is in any more must be seen to
	// fall to 0 instead of keeping its last value until Prometheus finds it stale.
	held map[[2]string]bool
}

// Describe lists the gauges, so that the registry can refuse a name used twice.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		heldDesc, invalidDesc, troubledDesc, partDesc, resourcesDesc, nodesDesc, unheldDesc, unheldAgeDesc,
		trustDesc, leasesDesc, plannedDesc, revisionDesc, updatedDesc,
	} {
		ch <- d
	}
}

// Collect reads the stats once, so that all gauges of a scrape are as of the same moment.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s, now := c.stats(), time.Now()
	tell := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	tellEach := func(d *prometheus.Desc, counts map[string]int, set []string) {
		for value, n := range bounded(counts, set) {
			tell(d, float64(n), value)
		}
	}

	tellEach(invalidDesc, s.Invalid, c.kinds)
	tellEach(troubledDesc, s.Troubled, c.kinds)
	tell(partDesc, s.Part)
	tellEach(resourcesDesc, s.Resources, c.kinds)
	tellEach(nodesDesc, s.Nodes, nodeStates)
	for labels, n := range c.holds(s.Held) {
		tell(heldDesc, float64(n), labels[0], labels[1])
	}
	for _, reason := range unheldReasons {
		u, age := s.Unheld[reason], time.Duration(0)
		if u.Count > 0 && !u.Oldest.IsZero() {
			age = max(now.Sub(u.Oldest), 0)
		}
		tell(unheldDesc, float64(u.Count), reason)
		tell(unheldAgeDesc, age.Seconds(), reason)
	}

	trust := time.Duration(0)
	if s.Term != 0 {
		trust = max(s.Trust-now.Sub(s.At), 0)
	}
	tell(trustDesc, trust.Seconds())
	tell(leasesDesc, float64(s.Leases))
	tell(plannedDesc, truth(s.Planned))
	tell(revisionDesc, float64(s.Rev))
	tell(updatedDesc, seconds(s.At))
}

// holds counts by kind and state, with 0 for what there once was.
func (c *collector) holds(now map[string]map[string]int) map[[2]string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := make(map[[2]string]int, len(c.held))
	for kind, states := range now {
		for state, n := range states {
			labels := [2]string{known(kind, c.kinds), state}
			c.held[labels] = true
			counts[labels] += n
		}
	}
	for labels := range c.held {
		counts[labels] += 0
	}
	return counts
}

// bounded counts under the values of a set, each of which is present, and "other" if there are any.
func bounded(counts map[string]int, set []string) map[string]int {
	sums := make(map[string]int, len(set))
	for _, value := range set {
		sums[value] = 0
	}
	for value, n := range counts {
		sums[known(value, set)] += n
	}
	return sums
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds returns a time as Prometheus wants it, 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}
