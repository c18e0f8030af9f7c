package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const opRenew = "renew"

// The values that labels of the store take, opRenew aside.
var (
	storeOps     = []string{"auth", "check", "commit", "grant", "list", "read", "revoke"}
	watchReasons = []string{"compacted", "lost", "silent", "no_leader", "auth", "restored"}
)

// store are the metrics of what is asked of etcd.
type store struct {
	requests  *prometheus.HistogramVec
	errors    *prometheus.CounterVec
	keepalive prometheus.Histogram
	restarts  *prometheus.CounterVec
	reconcile prometheus.Counter
}

func newStore(with promauto.Factory) store {
	return store{
		requests: histograms(with, "drm_etcd_request_duration_seconds",
			"Requests to etcd, by what was asked; those that failed are among them, renewals of leases are not.", "op", storeOps),
		errors: counters(with, "drm_etcd_request_errors_total",
			"Requests to etcd that failed or went unanswered, by what was asked.", "op",
			append([]string{opRenew}, storeOps...)),
		keepalive: with.NewHistogram(durations("drm_lease_keepalive_duration_seconds",
			"From sending a renewal of leases to etcd's answer; one that took long or failed cost the node trust.")),
		restarts: counters(with, "drm_watch_restarts_total",
			"Times the watch on etcd was begun anew, by reason.", "reason", watchReasons),
		reconcile: counter(with, "drm_reconciles_total",
			"Full listings in the background, to find out whether the watch has told everything."),
	}
}

// Request tells of one request to etcd, answered or not. Known ops are auth, check, commit, grant, list, read,
// renew and revoke. Renewals have a histogram of their own: they are the most frequent by far, and the only ones whose
// latency decides whether the node may go on.
func (m *Metrics) Request(op string, took time.Duration, err error) {
	if op == opRenew {
		m.store.keepalive.Observe(took.Seconds())
	} else {
		op = known(op, storeOps)
		m.store.requests.WithLabelValues(op).Observe(took.Seconds())
	}
	if err != nil {
		m.store.errors.WithLabelValues(op).Inc()
	}
}

// WatchRestart tells that the watch was begun anew, and why: compacted, lost, silent, no_leader, auth or restored.
// "reconcile" tells that it goes on, and that everything is listed beside it.
func (m *Metrics) WatchRestart(reason string) {
	if reason == "reconcile" {
		m.store.reconcile.Inc()
		return
	}
	m.store.restarts.WithLabelValues(known(reason, watchReasons)).Inc()
}
