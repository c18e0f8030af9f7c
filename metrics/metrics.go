// Package metrics tells Prometheus how a node fares.
//
// Counters and histograms are fed as things happen: by the events of package cluster (Observe), by the store
// (Request, WatchRestart), by runners and sinks (Meter) and by the log (CountLogs).
// Gauges are read when Prometheus asks (Collect). Nothing is kept per resource, and every label takes its values from
// a set that is known in advance; what falls outside is counted as "other". Series whose labels are known exist
// from the start with the value 0, so that a first increase is seen as one.
//
// Names that begin with drm_cluster_ are the whole cluster as this node sees it: the same on every node, to be
// taken with max, never summed. All others are about this node alone. docs/metrics.md lists every one.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says whose metrics they are.
type Options struct {
	Node     string // required: the node's id
	Version  string // of the program, such as v1.2.3; empty: unknown
	Revision string // of its source; empty: unknown
	// Kinds are the kinds that the program knows. A resource of any other is counted as kind "other": kinds are
	// written by users, and a label must be bounded.
	Kinds []string
	// Log is told of what can't be gathered; nil: nobody is.
	Log *slog.Logger
}

// Metrics is one node's metrics in a registry of its own. All methods may be called concurrently; none blocks.
type Metrics struct {
	registry *prometheus.Registry
	kinds    []string
	log      *slog.Logger

	events events
	store  store
	work   work
	logged *prometheus.CounterVec
}

// New returns metrics in which everything that is known in advance stands at 0.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), kinds: slices.Sorted(slices.Values(o.Kinds)), log: o.Log}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	with := promauto.With(m.registry)
	describe(with, o)
	m.events = newEvents(with, m.kinds)
	m.store = newStore(with)
	m.work = newWork(with, m.kinds)
	m.logged = counters(with, "drm_log_messages_total", "Lines logged, by level.", "level", levels)
	return m
}

// Handler serves the metrics in the format that the scraper asks for; native histograms need protobuf, which
// Prometheus negotiates by itself. It goes on with what can be gathered when something can't.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:       slog.NewLogLogger(m.log.Handler(), slog.LevelError),
		ErrorHandling:  promhttp.ContinueOnError,
		CoalesceGather: true,
	})
}

// describe adds the two series that are always 1 and whose labels say what runs here.
func describe(with promauto.Factory, o Options) {
	with.NewGauge(prometheus.GaugeOpts{
		Name: "drm_build_info",
		Help: "Always 1; the labels say which build of drm this is.",
		ConstLabels: prometheus.Labels{
			"version": o.Version, "revision": o.Revision, "goversion": runtime.Version(),
		},
	}).Set(1)
	with.NewGauge(prometheus.GaugeOpts{
		Name:        "drm_node_info",
		Help:        "Always 1; the label says which node this is.",
		ConstLabels: prometheus.Labels{"node": o.Node},
	}).Set(1)
}

// other stands for every label value that is not known in advance.
const other = "other"

// known returns value if it is in the set, else "other".
func known(value string, set []string) string {
	if slices.Contains(set, value) {
		return value
	}
	return other
}

// counters returns counters under one label that stand at 0 for every value given.
func counters(with promauto.Factory, name, help, label string, values []string) *prometheus.CounterVec {
	vec := with.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, v := range values {
		vec.WithLabelValues(v)
	}
	return vec
}

func counter(with promauto.Factory, name, help string) prometheus.Counter {
	return with.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// histograms is the same for durations in seconds.
func histograms(with promauto.Factory, name, help, label string, values []string) *prometheus.HistogramVec {
	vec := with.NewHistogramVec(durations(name, help), []string{label})
	for _, v := range values {
		vec.WithLabelValues(v)
	}
	return vec
}

// durations are the options of a histogram of seconds. It is classic and native at once: the classic buckets, from 1 ms
// to 60 s, serve every Prometheus; the native ones, each at most 10 % wide, those that ask for them.
func durations(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name:                        name,
		Help:                        help,
		Buckets:                     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		NativeHistogramBucketFactor: 1.1,
		// The widest range that occurs, microseconds to minutes, fits; the bound is against the unforeseen.
		NativeHistogramMaxBucketNumber: 200,
	}
}
