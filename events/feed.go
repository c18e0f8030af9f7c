package events

import (
	"context"
	"fmt"
	"strings"
)

// GapError says that events between two positions, these included, were deleted or overwritten before they were read. How many
// they were is not known.
type GapError struct{ From, To Position }

func (e *GapError) Error() string {
	return fmt.Sprintf("events from %s to %s were deleted or overwritten before they were read", e.From, e.To)
}

// Is makes it an ErrGap.
func (e *GapError) Is(target error) bool { return target == ErrGap }

// Feed gives the events of some topics. Of Next and Close one may be called at a time. Its fields are guarded by the Log's mutex.
type Feed struct {
	log    *Log
	names  []string
	after  Position
	born   int64 // what was deleted up to here is no gap
	topics []*topic
	gap    *GapError
	wake   chan struct{}
}

// Subscribe returns a feed of what comes after a position in topics: names, or globs in which * stands for any text. After the zero
// Position comes all that is there. Close it when it is needed no more.
func (l *Log) Subscribe(topics []string, after Position) *Feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &Feed{log: l, names: topics, after: after, wake: make(chan struct{}, 1)}
	if after == (Position{}) {
		f.born = l.rev
	}
	for _, t := range l.topics {
		f.join(t)
	}
	for _, name := range topics {
		if strings.Contains(name, "*") {
			l.globs[f] = struct{}{}
		} else if t := l.topic(name); !f.joined(t) {
			f.join(t)
		}
	}
	l.first.Do(func() { close(l.begun) })
	return f
}

// join has the feed give the events of a topic, if it is one of its own.
func (f *Feed) join(t *topic) {
	for _, name := range f.names {
		if Match(name, t.name) {
			f.topics = append(f.topics, t)
			t.feeds[f] = struct{}{}
			return
		}
	}
}

func (f *Feed) joined(t *topic) bool {
	_, ok := t.feeds[f]
	return ok
}

// Close ends the feed.
func (f *Feed) Close() {
	l := f.log
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.globs, f)
	for _, t := range f.topics {
		delete(t.feeds, f)
		l.discard(t)
	}
	f.topics = nil
}

// Next returns the next events in the order of the log, at least one and at most so many, and blocks until there is one. Where
// some were deleted before they were read it returns a *GapError, once, and goes on. Any other error is that of ctx, or ErrClosed.
func (f *Feed) Next(ctx context.Context, most int) ([]Event, error) {
	for {
		picked, gap := f.pick(most)
		if gap != nil {
			return nil, gap
		}
		if len(picked) == 0 {
			select {
			case <-f.wake:
			case <-f.log.ended:
				return nil, ErrClosed
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			continue
		}
		found, err := f.log.read(ctx, picked)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			f.log.log.Warn("events could not be read; trying again", "topics", f.names, "err", err)
			pause(ctx, retryPause)
			continue
		}
		f.passed(picked, found)
		if len(found) > 0 {
			return found, nil
		}
	}
}

// pick returns the entries that come next, and before them the gap if there is one.
func (f *Feed) pick(most int) (picked []*entry, gap error) {
	l := f.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rev == 0 {
		return nil, nil
	}
	heads := make([][]*entry, 0, len(f.topics))
	for _, t := range f.topics {
		if rest := t.entries[t.after(f.after):]; len(rest) > 0 {
			heads = append(heads, rest)
		}
	}
	for len(picked) < most {
		first := -1
		for i, h := range heads {
			if len(h) > 0 && (first < 0 || h[0].at.Compare(heads[first][0].at) < 0) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		e := heads[first][0]
		heads[first] = heads[first][1:]
		switch {
		case e.gone == 0:
			picked = append(picked, e)
			continue
		case len(picked) == 0:
			f.missed(e)
			f.after = e.at
			continue
		}
		break // the next call begins with what is missing here
	}
	if g := f.gap; g != nil {
		f.gap = nil
		return nil, g
	}
	return picked, nil
}

// missed notes a gap if an entry was deleted before the feed gave it.
func (f *Feed) missed(e *entry) {
	if e.gone <= f.born || e.gone == 0 {
		return
	}
	if f.gap == nil {
		f.gap = &GapError{From: e.at, To: e.at}
	}
	if e.at.Compare(f.gap.From) < 0 {
		f.gap.From = e.at
	}
	if e.at.Compare(f.gap.To) > 0 {
		f.gap.To = e.at
	}
}

// passed has the feed go on after what was picked. What could not be found of it was deleted meanwhile.
func (f *Feed) passed(picked []*entry, found []Event) {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	for _, e := range picked {
		if len(found) > 0 && found[0].At == e.at {
			found = found[1:]
			continue
		}
		if f.gap == nil {
			f.gap = &GapError{From: e.at, To: e.at}
		}
		f.gap.To = e.at
	}
	f.after = picked[len(picked)-1].at
}

// rouse wakes who waits in Next.
func (f *Feed) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
