package main

import (
	"io"
	"log/slog"
	"time"
)

// newLog returns a logger with the level that can be changed, text or JSON. In both, durations are written
// as people write them ("1.5s"): a reader of the log is not to guess the unit.
func newLog(w io.Writer, format string, level slog.Leveler) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: writeDuration}
	if format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

func writeDuration(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().Round(time.Microsecond).String())
	}
	return a
}

// slogLevel is the level named by --log-level; the flag takes no other words.
func slogLevel(name string) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(name))
	return level
}
