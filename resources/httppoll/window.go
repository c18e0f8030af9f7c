package httppoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/state"
)

const (
	seenDir = "seen/"
	// fullSegment is how many items are remembered under one key: what one new item makes to be written anew is 4 KiB at the most, however
	// many are remembered.
	fullSegment = 512
	// maxForgotten is how many keys are deleted in one write, which takes state.MaxChanges.
	maxForgotten = 50
)

// window remembers the items that were listed lately, by 8 bytes each, in segments that are keys in the store. New ones are added
// to the last; the first is forgotten as a whole. What is listed again when a quarter of its time to live is over, or half of what is
// remembered came after it, is added again. So an item is remembered for between one and one and a half times its time to live after it was
// last listed, and of a list with less than half as many items as there is room for nothing is forgotten before the next list comes, however
// long that takes.
type window struct {
	max      int
	ttl      time.Duration
	segments []*segment
	size     int // of all
}

type segment struct {
	number uint64    // its name
	since  time.Time // when its first item was added
	items  []uint64
}

func newWindow(d dedupeSpec) *window { return &window{max: d.Max, ttl: time.Duration(d.TTL)} }

// full is how many items a segment takes: with few to remember, few, so that not all are forgotten together.
func (w *window) full() int { return max(1, min(fullSegment, w.max/8)) }

// load adds a segment as it lies in the store. They come in the order of their names.
func (w *window) load(r state.Record) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(r.Name, seenDir), 16, 64)
	if err != nil || len(r.Value) < 8 || len(r.Value)%8 != 0 {
		return fmt.Errorf("read %s: %w", r.Name, errors.Join(err, errors.New("it is not what drm has written there; delete the key, and items may come twice")))
	}
	s := &segment{number: number, since: time.Unix(int64(binary.BigEndian.Uint64(r.Value)), 0)}
	for at := 8; at < len(r.Value); at += 8 {
		s.items = append(s.items, binary.BigEndian.Uint64(r.Value[at:]))
	}
	w.segments, w.size = append(w.segments, s), w.size+len(s.items)
	return nil
}

// known returns the items that are remembered; those for which it is true are to be added again if they are listed again.
func (w *window) known(now time.Time) map[uint64]bool {
	known := make(map[uint64]bool, w.size)
	behind := w.size
	for _, s := range w.segments {
		behind -= len(s.items)
		for _, item := range s.items {
			known[item] = behind >= w.max/2 || w.old(s, now)
		}
	}
	return known
}

// old tells whether what was added to a segment is to be added again, for its time.
func (w *window) old(s *segment, now time.Time) bool { return now.Sub(s.since) > w.ttl/4 }

// add remembers items and returns what is to be written for it. With forget it also forgets what is too old or too many, which is for the end
// of a poll: before that, what is still listed may be among it.
func (w *window) add(items []uint64, now time.Time, forget bool) []state.Change {
	var changed []*segment
	for _, item := range items {
		last := w.last(now)
		last.items = append(last.items, item)
		w.size++
		if len(changed) == 0 || changed[len(changed)-1] != last {
			changed = append(changed, last)
		}
	}
	var changes []state.Change
	forgotten := map[*segment]bool{}
	for forget && len(w.segments) > 1 && len(forgotten) < maxForgotten {
		first := w.segments[0]
		if w.size-len(first.items) < w.max && now.Sub(first.since) <= w.ttl+w.ttl/2 {
			break
		}
		w.segments, w.size = w.segments[1:], w.size-len(first.items)
		forgotten[first] = true
		changes = append(changes, state.Change{Name: first.name(), Delete: true})
	}
	for _, s := range changed {
		if !forgotten[s] {
			changes = append(changes, state.Change{Name: s.name(), Value: s.encode()})
		}
	}
	return changes
}

// last returns the segment that takes the next item.
func (w *window) last(now time.Time) *segment {
	number := uint64(1)
	if n := len(w.segments); n > 0 {
		last := w.segments[n-1]
		if len(last.items) < w.full() && !w.old(last, now) {
			return last
		}
		number = last.number + 1
	}
	s := &segment{number: number, since: now.Truncate(time.Second)}
	w.segments = append(w.segments, s)
	return s
}

// name is that of the key. The order of names is that of numbers.
func (s *segment) name() string { return fmt.Sprintf("%s%016x", seenDir, s.number) }

func (s *segment) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8*len(s.items)), uint64(s.since.Unix()))
	for _, item := range s.items {
		b = binary.BigEndian.AppendUint64(b, item)
	}
	return b
}
