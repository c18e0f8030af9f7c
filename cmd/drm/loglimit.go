package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logLimit lets so many lines a second through to a log as the log of events does, and says afterwards how many more there were: when
// ten thousand connections are refused again and again, nobody reads a line about each. At level debug nothing is left out.
// Handlers made of it by WithAttrs and WithGroup share the limit.
type logLimit struct {
	slog.Handler
	*logBudget
}

// logBudget is what is left of the lines of a second.
type logBudget struct {
	said slog.Handler // says how many were left out

	mu     sync.Mutex // protects the rest
	second time.Time  // when it began
	lines  int
	more   int // left out in it
}

func newLogLimit(to slog.Handler) slog.Handler { return logLimit{to, &logBudget{said: to}} }

// Handle implements slog.Handler.
func (l logLimit) Handle(ctx context.Context, r slog.Record) error {
	if l.Enabled(ctx, slog.LevelDebug) || r.Level >= slog.LevelError {
		return l.Handler.Handle(ctx, r)
	}
	through, more := l.spend(r.Time)
	if more > 0 {
		sum := slog.NewRecord(r.Time, slog.LevelWarn, "lines about single resources were left out", 0)
		sum.AddAttrs(slog.Int("count", more), slog.String("hint", "level debug shows each"))
		if err := l.said.Handle(ctx, sum); err != nil {
			return err
		}
	}
	if !through {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// spend takes a line's part of the budget, if there is any left, and returns how many were left out in a second that is over.
func (b *logBudget) spend(now time.Time) (through bool, more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.second) >= time.Second {
		more, b.second, b.lines, b.more = b.more, now, 0, 0
	}
	if b.lines == linesPerSecond {
		b.more++
		return false, more
	}
	b.lines++
	return true, more
}

// WithAttrs implements slog.Handler.
func (l logLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logLimit{l.Handler.WithAttrs(attrs), l.logBudget}
}

// WithGroup implements slog.Handler.
func (l logLimit) WithGroup(name string) slog.Handler {
	return logLimit{l.Handler.WithGroup(name), l.logBudget}
}
