package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/drm-cluster/drm/cluster"
)

// The values that labels of events take; all are words of package cluster.
var (
	eventTypes = []cluster.EventType{
		cluster.TermStarted, cluster.TermEnded, cluster.TermWaiting,
		cluster.NodeJoined, cluster.NodeLeaving, cluster.NodeGone,
		cluster.Listed, cluster.Planned, cluster.BidsSent, cluster.BidWon, cluster.BidLost,
		cluster.Claimed, cluster.Started, cluster.Stopped, cluster.Failed, cluster.Quarantined, cluster.Invalid,
		cluster.HandedOff, cluster.Released, cluster.LostClaim, cluster.LostLease, cluster.Divided,
		cluster.Malformed, cluster.Balanced, cluster.Stuck, cluster.Tried, cluster.Ailed,
	}
	changeReasons = []string{
		cluster.ChangeNew, cluster.ChangeTakeover, cluster.ChangeHandOff, cluster.ChangeRenewed, cluster.ChangeAdopted,
	}
	termEnds    = []string{"leaving", "fenced", "lost", "restored", "error", "duplicate"}
	stopReasons = []string{"moving", "changed", "unwanted", "lost", "fenced", "failed", "done", "leaving"}
)

// events are the metrics that cluster events move.
type events struct {
	types    *prometheus.CounterVec
	changes  *prometheus.CounterVec
	gaps     *prometheus.HistogramVec
	bids     *prometheus.CounterVec
	ends     *prometheus.CounterVec
	fenced   prometheus.Counter
	starts   *prometheus.CounterVec
	stops    *prometheus.CounterVec
	stopping prometheus.Histogram
	failures *prometheus.CounterVec
	trials   *prometheus.CounterVec
	moves    prometheus.Counter
	drift    prometheus.Counter
}

func newEvents(with promauto.Factory, kinds []string) events {
	var types []string
	for _, t := range eventTypes {
		types = append(types, eventLabel(t))
	}
	return events{
		types: counters(with, "drm_node_events_total",
			"Everything that this node reported as having happened, by type; each is also a line in its log.", "type", types),
		changes: counters(with, "drm_ownership_changes_total",
			"Claims that came to this node, by how: new (nobody held it), takeover (its holder is gone), handoff (its holder "+
				"handed it over), renewed (its own, under a new epoch), adopted (a request whose outcome was unknown).",
			"reason", changeReasons),
		gaps: histograms(with, "drm_ownership_gap_seconds",
			"How long a resource had no runner before it was started here, where that is known, by how its claim came.",
			"reason", changeReasons),
		bids: counters(with, "drm_bids_total",
			"Attempts to claim a free resource, by result; lost means that another node was first.",
			"result", []string{"won", "lost"}),
		ends: counters(with, "drm_terms_ended_total",
			"Terms (lives of this node's leases) that ended, by reason.", "reason", termEnds),
		fenced: counter(with, "drm_fenced_total",
			"How often this node stopped everything by itself because its leases were no longer trusted."),
		starts: counters(with, "drm_runner_starts_total", "Runners started here, by kind.", "kind", kinds),
		stops: counters(with, "drm_runner_stops_total",
			"Runners that have ended here, by reason.", "reason", stopReasons),
		stopping: with.NewHistogram(durations("drm_runner_stop_duration_seconds",
			"From telling a runner to stop to its return.")),
		failures: counters(with, "drm_runner_failures_total",
			"Runs that ended with an error, by kind; each is tried again after a while.", "kind", kinds),
		trials: counters(with, "drm_trials_total",
			"Resources that failed here again and again and were given to another node to try, by how they fare there: well, "+
				"so the fault is this node's, or failed.", "result", []string{cluster.TrialWell, cluster.TrialFailed}),
		moves: counter(with, "drm_balance_moves_total",
			"Moves to other nodes that this node decided on to even out the load."),
		drift: counter(with, "drm_reconcile_differences_total",
			"Differences that a full listing found to what the watch had told; more than 0 is a bug of drm or of its store."),
	}
}

// Observe counts what happened. Give it to cluster.Config.Observe.
func (m *Metrics) Observe(e cluster.Event) {
	m.events.types.WithLabelValues(eventLabel(e.Type)).Inc()
	switch e.Type {
	case cluster.TermEnded:
		m.events.ends.WithLabelValues(known(e.Reason, termEnds)).Inc()
		if e.Reason == "fenced" {
			m.events.fenced.Inc()
		}
	case cluster.BidWon:
		m.events.bids.WithLabelValues("won").Inc()
	case cluster.BidLost:
		m.events.bids.WithLabelValues("lost").Inc()
	case cluster.Claimed:
		m.events.changes.WithLabelValues(known(e.Reason, changeReasons)).Inc()
	case cluster.Started:
		m.events.starts.WithLabelValues(known(e.Key.Kind, m.kinds)).Inc()
		if e.Gap >= 0 {
			m.events.gaps.WithLabelValues(known(e.Reason, changeReasons)).Observe(e.Gap.Seconds())
		}
	case cluster.Stopped:
		m.events.stops.WithLabelValues(known(e.Reason, stopReasons)).Inc()
		if e.Gap >= 0 {
			m.events.stopping.Observe(e.Gap.Seconds())
		}
	case cluster.Failed:
		m.events.failures.WithLabelValues(known(e.Key.Kind, m.kinds)).Inc()
	case cluster.Tried:
		m.events.trials.WithLabelValues(e.Reason).Inc()
	case cluster.Balanced:
		m.events.moves.Add(float64(e.Count))
	case cluster.Listed:
		m.events.drift.Add(float64(e.Drift))
	}
}

// eventLabel is the label value of an event type. The types are constants of package cluster, so they are bounded.
func eventLabel(t cluster.EventType) string { return strings.ReplaceAll(string(t), " ", "_") }
