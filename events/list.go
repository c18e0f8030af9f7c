package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Listed is an event that lies in the log, without what it says.
type Listed struct {
	Topic, ID string
	At        Position
	Path      string // of its key
}

// Ref is that of the event.
func (l Listed) Ref() string { return Event{Topic: l.Topic, ID: l.ID, At: l.At}.Ref() }

// List passes on what lies in some topics, names or globs, whoever publishes and reads meanwhile, in no order. It reads keys only; an error of
// each ends it.
func List(ctx context.Context, store *lease.Store, topics []string, each func(Listed) error) error {
	for i, glob := range topics {
		first, _, several := strings.Cut(glob, "*")
		if !several {
			first += "/"
		}
		err := store.List(ctx, lease.Range{Below: Root + first, KeysOnly: true}, func(b cluster.Batch) error {
			for _, r := range b.Records {
				l, ok := identify(r)
				met := slices.ContainsFunc(topics[:i], func(before string) bool { return Match(before, l.Topic) })
				if !ok || met || !Match(glob, l.Topic) {
					continue
				}
				if err := each(l); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list topics %s: %w", glob, err)
		}
	}
	return nil
}

// ErrNoTimes says that a time can't be found in a log whose events have none.
var ErrNoTimes = errors.New("no event there says when it happened")

// Since returns the position before the first event of some topics that happened at a time or later, going by what publishers say and taking the
// log to be in that order; one that says nothing counts with those after it. The zero Position is returned when that is the first of all.
func Since(ctx context.Context, store *lease.Store, topics []string, t time.Time) (Position, error) {
	var all []Listed
	err := List(ctx, store, topics, func(l Listed) error { all = append(all, l); return nil })
	if err != nil {
		return Position{}, err
	}
	slices.SortFunc(all, func(a, b Listed) int { return a.At.Compare(b.At) })
	timed := len(all) == 0
	first, end := 0, len(all) // everything before first happened before t, nothing from end on did
	for first < end {
		middle := first + (end-first)/2
		at, when, err := timeOf(ctx, store, all[middle:end])
		if err != nil {
			return Position{}, fmt.Errorf("find what happened since %s: %w", t.Format(time.RFC3339), err)
		}
		timed = timed || !when.IsZero()
		if !when.IsZero() && when.Before(t) {
			first = middle + at + 1
		} else {
			end = middle
		}
	}
	switch {
	case !timed:
		return Position{}, fmt.Errorf("find what happened since %s: %w; name a position instead", t.Format(time.RFC3339), ErrNoTimes)
	case first == 0:
		return Position{}, nil
	}
	return all[first-1].At, nil
}

// timeOf returns when the first event happened that says so, and which one that is; the zero time if none does.
func timeOf(ctx context.Context, store *lease.Store, among []Listed) (i int, t time.Time, err error) {
	const together = 16
	for i < len(among) {
		var paths []string
		for _, l := range among[i:min(i+together, len(among))] {
			paths = append(paths, l.Path)
		}
		records, err := store.Read(ctx, paths...)
		if err != nil {
			return 0, t, err
		}
		for _, r := range records {
			var e Event
			if e.decode(r.Value); !r.Deleted && !e.Time.IsZero() {
				return i, e.Time, nil
			}
			i++
		}
	}
	return 0, t, nil
}
