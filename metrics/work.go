package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/drm-cluster/drm/resources"
)

// work are the metrics of what resources and sinks do.
type work struct {
	connections *prometheus.GaugeVec
	connects    *prometheus.CounterVec
	throttled   prometheus.Counter
	received    *prometheus.CounterVec
	dropped     *prometheus.CounterVec
	gaps        *prometheus.CounterVec
	gapSeconds  *prometheus.CounterVec
	sending     *prometheus.HistogramVec
	sinkErrors  *prometheus.CounterVec
	blocked     *prometheus.CounterVec
	polls       *prometheus.CounterVec
	polling     prometheus.Histogram
	sourced     *prometheus.CounterVec
	deliveries  deliveries
}

func newWork(with promauto.Factory, kinds []string) work {
	w := work{
		connections: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "drm_connections", Help: "Connections that resources held here keep, by kind and state.",
		}, []string{"kind", "state"}),
		connects: with.NewCounterVec(prometheus.CounterOpts{
			Name: "drm_connect_attempts_total", Help: "Attempts to connect, by kind and result.",
		}, []string{"kind", "result"}),
		throttled: with.NewCounter(prometheus.CounterOpts{
			Name: "drm_connect_throttled_seconds_total",
			Help: "Time for which resources have waited for their turn to connect (connect_limit), all of them together.",
		}),
		received: counters(with, "drm_messages_received_total",
			"Messages that came in, by kind, before it is known whether they can be delivered.", "kind", kinds),
		dropped: with.NewCounterVec(prometheus.CounterOpts{
			Name: "drm_messages_dropped_total", Help: "Messages that came in and will not be delivered, by kind and reason.",
		}, []string{"kind", "reason"}),
		gaps: counters(with, "drm_gaps_total",
			"Times in which messages may have been missed that nobody sends again, by kind.", "kind", kinds),
		gapSeconds: counters(with, "drm_gap_seconds_total",
			"How long those times were, in all and by kind; one whose beginning nobody knows counts nothing.", "kind", kinds),
		sending: histograms(with, "drm_sink_send_duration_seconds",
			"One attempt to hand messages to a sink, by sink.", "sink", resources.SinkNames()),
		sinkErrors: counters(with, "drm_sink_errors_total",
			"Attempts that a sink did not take, by sink.", "sink", resources.SinkNames()),
		blocked: counters(with, "drm_egress_blocked_total",
			"Connections that the egress guard refused, by what is at the address.", "reason", resources.BlockReasons()),
		polls: with.NewCounterVec(prometheus.CounterOpts{
			Name: "drm_poll_requests_total",
			Help: "Requests of polls, by kind and answer; failed had none, or none that was whole.",
		}, []string{"kind", "result"}),
		polling: with.NewHistogram(durations("drm_poll_duration_seconds", "One request of a poll, from its turn at the host to the end of the answer.")),
		sourced: counters(with, "drm_source_changes_total",
			"What sources did with the resources that they list; refused are entries that are no good, what is somebody else's, and more to remove than max_removal.",
			"change", resources.SourceChanges()),
		deliveries: newDeliveries(with),
	}
	for _, kind := range kinds {
		for _, state := range resources.States() {
			w.connections.WithLabelValues(kind, state)
		}
		for _, result := range resources.ConnectResults() {
			w.connects.WithLabelValues(kind, result)
		}
		for _, result := range resources.PollResults() {
			w.polls.WithLabelValues(kind, result)
		}
		for _, reason := range resources.DropReasons() {
			w.dropped.WithLabelValues(kind, reason)
		}
	}
	return w
}

// Meter returns what resources and sinks are to be given, so that what they do is counted here.
func (m *Metrics) Meter() resources.Meter {
	w := m.work
	meter := resources.Meter{
		Connections: func(kind, state string, n int) {
			w.connections.WithLabelValues(known(kind, m.kinds), known(state, resources.States())).Add(float64(n))
		},
		Connects: func(kind, result string) {
			w.connects.WithLabelValues(known(kind, m.kinds), known(result, resources.ConnectResults())).Inc()
		},
		Throttled: func(waited time.Duration) { w.throttled.Add(waited.Seconds()) },
		Received:  func(kind string) { w.received.WithLabelValues(known(kind, m.kinds)).Inc() },
		Dropped: func(kind, reason string, n int) {
			w.dropped.WithLabelValues(known(kind, m.kinds), known(reason, resources.DropReasons())).Add(float64(n))
		},
		Missed: func(kind string, length time.Duration) {
			w.gaps.WithLabelValues(known(kind, m.kinds)).Inc()
			w.gapSeconds.WithLabelValues(known(kind, m.kinds)).Add(length.Seconds())
		},
		Sent: func(sink string, took time.Duration, ok bool) {
			sink = known(sink, resources.SinkNames())
			w.sending.WithLabelValues(sink).Observe(took.Seconds())
			if !ok {
				w.sinkErrors.WithLabelValues(sink).Inc()
			}
		},
		Blocked: func(reason string) { w.blocked.WithLabelValues(known(reason, resources.BlockReasons())).Inc() },
	}
	meter.Sourced = func(change string, n int) {
		w.sourced.WithLabelValues(known(change, resources.SourceChanges())).Add(float64(n))
	}
	meter.Polls = func(kind, result string, took time.Duration) {
		w.polls.WithLabelValues(known(kind, m.kinds), known(result, resources.PollResults())).Inc()
		w.polling.Observe(took.Seconds())
	}
	w.deliveries.meter(&meter)
	return meter
}
