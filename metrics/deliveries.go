package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// deliveries are the metrics of what becomes of events.
type deliveries struct {
	fates    *prometheus.CounterVec
	attempts *prometheus.CounterVec
	took     prometheus.Histogram
	lag      prometheus.Histogram
	inDoubt  prometheus.Gauge
	disabled prometheus.Gauge
	breakers *prometheus.GaugeVec
	gaps     prometheus.Counter
	trimmed  *prometheus.CounterVec
	writes   *prometheus.HistogramVec
	fenced   prometheus.Counter
}

func newDeliveries(with promauto.Factory) deliveries {
	d := deliveries{
		fates: counters(with, "drm_deliveries_total",
			"What became of events on their way to a webhook, each time that it changed.", "outcome", resources.Fates()),
		attempts: counters(with, "drm_delivery_attempts_total",
			"Attempts to deliver an event, by what was answered; not_sent and in_doubt had no answer.", "result", resources.AttemptResults()),
		took: with.NewHistogram(durations("drm_delivery_duration_seconds", "One attempt to deliver an event.")),
		lag: with.NewHistogram(durations("drm_delivery_lag_seconds",
			"From when an event happened, as its publisher says, to its delivery; events without a time are left out.")),
		inDoubt: with.NewGauge(prometheus.GaugeOpts{
			Name: "drm_webhook_in_doubt", Help: "Deliveries of webhooks held here of which it is not known whether they arrived.",
		}),
		disabled: with.NewGauge(prometheus.GaugeOpts{
			Name: "drm_webhook_disabled", Help: "Webhooks held here that deliver nothing until somebody mends them.",
		}),
		breakers: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "drm_breaker_state", Help: "Webhooks held here, by what their breaker does: open, it lets nothing through; trying, one attempt at a time.",
		}, []string{"state"}),
		gaps: counter(with, "drm_event_gaps_total", "Times that events were deleted before a webhook held here delivered them."),
		trimmed: counters(with, "drm_events_trimmed_total",
			"Events that this node deleted from the log: passed by every webhook or, by any other reason, still needed by one.", "reason", resources.TrimReasons()),
		writes: histograms(with, "drm_state_write_duration_seconds",
			"Writes of what a holder keeps, with waiting, by what became of them; fenced is one that was refused because the resource is held under another epoch.",
			"result", state.Results()),
		fenced: counter(with, "drm_fence_rejected_total",
			"Writes of what a holder keeps that etcd refused, because the resource was held under another epoch by then: each would have been a second holder's."),
	}
	for _, state := range resources.BreakerStates() {
		d.breakers.WithLabelValues(state)
	}
	return d
}

// meter has a Meter count here.
func (d *deliveries) meter(m *resources.Meter) {
	m.Attempts = func(result string, took time.Duration) {
		d.attempts.WithLabelValues(known(result, resources.AttemptResults())).Inc()
		d.took.Observe(took.Seconds())
	}
	m.Deliveries = func(fate string) { d.fates.WithLabelValues(known(fate, resources.Fates())).Inc() }
	m.Lags = func(lag time.Duration) { d.lag.Observe(lag.Seconds()) }
	m.Doubts = func(n int) { d.inDoubt.Add(float64(n)) }
	m.Disabled = func(n int) { d.disabled.Add(float64(n)) }
	m.Breakers = func(state string, n int) {
		d.breakers.WithLabelValues(known(state, resources.BreakerStates())).Add(float64(n))
	}
	m.Gaps = d.gaps.Inc
	m.Trimmed = func(reason string, n int) {
		d.trimmed.WithLabelValues(known(reason, resources.TrimReasons())).Add(float64(n))
	}
}

// CollectBacklog registers how many events the webhooks held here have not come to, which is read at each scrape. Call it once; unread
// may be called concurrently.
func (m *Metrics) CollectBacklog(unread func() int) {
	promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drm_event_backlog", Help: "Events in the log that webhooks held here have not come to yet, each webhook counting its own.",
	}, func() float64 { return float64(unread()) })
}

// Wrote tells of one write of what a holder keeps: what became of it, one of state.Results, and how long it took.
func (m *Metrics) Wrote(result string, took time.Duration) {
	m.work.deliveries.writes.WithLabelValues(known(result, state.Results())).Observe(took.Seconds())
	if result == state.Fenced {
		m.work.deliveries.fenced.Inc()
	}
}
