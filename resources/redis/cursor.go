package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

const (
	cursorName = "cursor"
	// persistEvery is how often at the most a cursor is written: what a crash makes the sink receive twice is what it took since.
	persistEvery = time.Second
	// partingWrite is how long the last write may take: longer than etcd's usual few milliseconds, and within the stop budget.
	partingWrite = 500 * time.Millisecond
)

// kept is what is kept of a cursor. That of another stream says nothing.
type kept struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

// cursor is how far the sink has taken a stream: the id of the last entry. It belongs to the goroutine of Run.
type cursor struct {
	key     string
	page    *state.Page
	at      entryID
	passed  int64 // how many entries were ever added up to there; 0 if that is not known
	begun   bool  // there is one
	dirty   bool  // it has moved since it was written
	written time.Time
}

// load reads where the holder before has got to, which may be nowhere.
func (c *cursor) load(ctx context.Context) error {
	records, err := c.page.Load(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Name != cursorName {
			continue
		}
		var k kept
		if err := json.Unmarshal(r.Value, &k); err != nil {
			return fmt.Errorf("read cursor: %w", err)
		}
		if k.Key == c.key {
			c.at, err = parseEntryID(k.ID)
			c.begun = err == nil
			return err
		}
	}
	return nil
}

// move sets the cursor.
func (c *cursor) move(to entryID) { c.at, c.begun, c.dirty = to, true, true }

// pass counts entries that were read.
func (c *cursor) pass(n int) {
	if c.passed > 0 {
		c.passed += int64(n)
	}
}

// persist writes the cursor if it has moved, and not too often unless it must be.
func (c *cursor) persist(ctx context.Context, must bool) error {
	if !c.dirty || !must && time.Since(c.written) < persistEvery {
		return nil
	}
	value, err := json.Marshal(kept{c.key, c.at.String()})
	if err != nil {
		return err
	}
	if err := c.page.Write(ctx, state.Change{Name: cursorName, Value: value}); err != nil {
		return err
	}
	c.dirty, c.written = false, time.Now()
	return nil
}

// missing compares the cursor with its stream. If entries may have been missed it returns the gap, and where reading is to go on: where it
// was, or elsewhere, and then what was read from where it was is void.
//
// A trimmed stream lacks the entry at the cursor. That alone does not mean that others are missing: a stream may be so short that each new
// entry takes the place of the last. Where the server counts its entries, that tells whether more are gone than were read.
func (c *cursor) missing(s shape) (gap *resources.Gap, from entryID) {
	none := entryID{}
	g := resources.Gap{From: c.at.time(), To: time.Now()}
	switch {
	case s.exists && s.last == c.at: // nothing comes after it
		c.passed = s.added
		return nil, c.at
	case c.at == none: // whatever there is comes after it
		return nil, c.at
	case !s.exists:
		c.passed = 0
		g.Reason = fmt.Sprintf("the stream was deleted; it was read up to %s", c.at)
		return &g, none
	case s.last.compare(c.at) < 0:
		c.passed = s.added
		g.Reason = fmt.Sprintf("the stream went back to %s, as after a restore; it was read up to %s, and is read on from there", s.last, c.at)
		return &g, s.last
	case !s.some:
		c.passed = s.added
		g.Reason = fmt.Sprintf("all entries after %s were trimmed before they were read", c.at)
		return &g, s.last
	case s.first.compare(c.at) > 0 && (c.passed == 0 || s.added-s.length > c.passed):
		g.Reason = fmt.Sprintf("entries after %s may have been trimmed before they were read; the first that is left is %s", c.at, s.first)
		if first := s.first.time(); !first.IsZero() {
			g.To = first
		}
		c.passed = 0
		return &g, c.at
	}
	return nil, c.at
}
