package metrics

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

var levels = []string{"debug", "info", "warn", "error"}

// CountLogs returns a handler that counts by level what next handles. A line that next's level leaves out is not
// counted: the count is of what an operator could have read.
func (m *Metrics) CountLogs(next slog.Handler) slog.Handler {
	return countingHandler{next, m.logged}
}

type countingHandler struct {
	slog.Handler
	logged *prometheus.CounterVec
}

// Handle counts the record and passes it on.
func (h countingHandler) Handle(ctx context.Context, r slog.Record) error {
	h.logged.WithLabelValues(levelLabel(r.Level)).Inc()
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that counts too.
func (h countingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countingHandler{h.Handler.WithAttrs(attrs), h.logged}
}

// WithGroup returns a handler that counts too.
func (h countingHandler) WithGroup(name string) slog.Handler {
	return countingHandler{h.Handler.WithGroup(name), h.logged}
}

// levelLabel rounds a level down to one that has a name: a custom level of 6 is a warning.
func levelLabel(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}
