package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	// eventsWaiting is how many events may wait for a log that is slow to be written.
	eventsWaiting = 8192
	// linesPerSecond is how many lines about single resources are written at their own level; a node that
	// takes over thousands says the rest in one line, and each at level debug.
	linesPerSecond = 100
)

// eventLog writes a line for each cluster event. The loop that reports them must never wait for a disk or a
// terminal, so they are written by a goroutine of the log's own; what doesn't fit is counted.
type eventLog struct {
	log    *slog.Logger
	events chan cluster.Event
	done   chan struct{}
	lost   atomic.Int64  // events that found no room
	asked  time.Duration // the TTL that was asked for; set before the first event

	lines int                       // about single resources, in this second
	more  map[cluster.EventType]int // left out in this second
}

// newEventLog begins to write; close must be called.
func newEventLog(log *slog.Logger) *eventLog {
	l := &eventLog{
		log:    log,
		events: make(chan cluster.Event, eventsWaiting),
		done:   make(chan struct{}),
		more:   map[cluster.EventType]int{},
	}
	go l.write()
	return l
}

// observe takes an event, without blocking; it may be called concurrently, but not after close.
func (l *eventLog) observe(e cluster.Event) {
	select {
	case l.events <- e:
	default:
		l.lost.Add(1)
	}
}

// close returns when all is written.
func (l *eventLog) close() {
	close(l.events)
	<-l.done
	if n := l.lost.Load(); n > 0 {
		l.log.Warn("events were not logged: the log was written too slowly", "count", n)
	}
}

func (l *eventLog) write() {
	defer close(l.done)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case e, open := <-l.events:
			if !open {
				l.summarize()
				return
			}
			l.line(e)
		case <-second.C:
			l.summarize()
		}
	}
}

// line writes one event, at level debug when there were too many like it in this second.
func (l *eventLog) line(e cluster.Event) {
	level, attrs := eventLevel(e), eventAttrs(e)
	if e.Type == cluster.TermStarted && e.TTL > l.asked {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Duration("asked", l.asked),
			slog.String("hint", "a shorter TTL leaves no trust after the margin, or etcd grants none so short"))
	}
	if e.Key != (cluster.Key{}) && level > slog.LevelDebug && level < slog.LevelError {
		if l.lines++; l.lines > linesPerSecond {
			l.more[e.Type]++
			level = slog.LevelDebug
		}
	}
	l.log.LogAttrs(context.Background(), level, string(e.Type), attrs...)
}

func (l *eventLog) summarize() {
	for event, count := range l.more {
		l.log.Info(string(event)+", and more", "count", count, "hint", "level debug shows each")
	}
	clear(l.more)
	l.lines = 0
}

// eventLevel is how much an event matters to an operator.
func eventLevel(e cluster.Event) slog.Level {
	switch e.Type {
	case cluster.Stuck:
		return slog.LevelError
	case cluster.TermEnded:
		if e.Reason != "leaving" {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case cluster.Divided, cluster.Ailed:
		if e.Err != nil {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case cluster.TermWaiting, cluster.Failed, cluster.Quarantined, cluster.Invalid, cluster.LostClaim,
		cluster.LostLease, cluster.Malformed:
		return slog.LevelWarn
	case cluster.TermStarted, cluster.NodeJoined, cluster.NodeLeaving, cluster.NodeGone, cluster.Started,
		cluster.Stopped, cluster.Balanced, cluster.Tried:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// eventAttrs are the fields of an event that are set, under the keys that all of drm's log lines use.
func eventAttrs(e cluster.Event) []slog.Attr {
	var attrs []slog.Attr
	add := func(set bool, a slog.Attr) {
		if set {
			attrs = append(attrs, a)
		}
	}
	add(e.Key.Kind != "", slog.String("kind", e.Key.Kind))
	add(e.Key.ID != "", slog.String("resource", e.Key.ID))
	add(e.Epoch != 0, slog.Int64("epoch", e.Epoch))
	add(e.Reason != "", slog.String("reason", e.Reason))
	add(e.Node != "", slog.String("peer", e.Node))
	add(e.Term != 0, slog.String("term", cluster.LeaseID(e.Term).String()))
	add(e.Lease != 0, slog.String("lease", e.Lease.String()))
	add(e.Path != "", slog.String("path", e.Path))
	add(e.TTL != 0, slog.Duration("ttl", e.TTL))
	add(e.Margin != 0, slog.Duration("margin", e.Margin))
	add(e.Count != 0, slog.Int("count", e.Count))
	add(e.Drift != 0, slog.Int("drift", e.Drift))
	add(e.Gap > 0, slog.Duration("gap", e.Gap))
	add(e.Err != nil, slog.Any("err", e.Err))
	return attrs
}
