package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// A stream is read from where its spec says, and after moves and connections lost from where the sink has it: everything once, under the ids
// that redis gave. What was there before the first holder came is not read, by no later one either; what was added between two is. Seen to
// fail with the cursor not loaded, and with "$" found out and not kept.
func TestStreamIsReadOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--appendonly", "yes", "--appendfsync", "always")
	w.add("1-1", "old")
	h := w.tail("").connected()
	h.end()
	w.add("1-2", "a")
	w.add("2-0", "b")
	h = w.tail("")
	h.entry("1-2", "a")
	h.entry("2-0", "b")
	w.settled("2-0")
	w.Do("CLIENT", "KILL", "TYPE", "normal")
	w.add("2-1", "c")
	h.entry("2-1", "c")
	w.settled("2-1")
	w.Kill()
	w.Restart()
	w.add("2-2", "d")
	h.entry("2-2", "d")
	w.settled("2-2")
	h.end()
	w.add("2-3", "e")
	h = w.tail("")
	h.entry("2-3", "e")
	w.settled("2-3")
	h.end()
	if left := len(w.node.from("drm/redis/tail")); left != 0 {
		t.Errorf("%d more events", left)
	}
}

// A holder that goes writes the cursor last, though it has just been written; one that may no more doesn't, and what its sink took since is
// sent again, under the same ids. Seen to fail with nothing written at the end.
func TestStreamAfterAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("1-0", "a")
	h := w.tail(`, "start": "0", "block": "5m"`)
	h.entry("1-0", "a")
	w.add("2-0", "b")
	h.entry("2-0", "b")
	w.add("3-0", "c")
	h.entry("3-0", "c") // so the sink is done with the one before
	h.end()
	dead, kill := context.WithCancelCause(context.Background())
	h = w.tail(`, "block": "5m"`, func(ctx context.Context, c *cluster.Claim) context.Context {
		c.Held = dead
		return ctx
	}).connected()
	w.add("4-0", "d")
	e := h.event()
	if e["id"] == "3-0" { // the sink had it, and the holder did not know that yet
		e = h.event()
	}
	if e["id"] != "4-0" {
		t.Errorf("got %v, want entry 4-0", e)
	}
	w.add("5-0", "e")
	h.entry("5-0", "e")
	kill(cluster.ErrTrustEnded)
	h.end()
	h = w.tail("")
	w.add("6-0", "f")
	for e := h.event(); e["id"] != "6-0"; e = h.event() {
		if e["id"] != "4-0" && e["id"] != "5-0" {
			t.Errorf("after a crash %v is sent again", e)
		}
	}
}

// From its beginning, hundreds of entries come in order, none of them twice, with binary fields and what a filter leaves.
func TestStreamFromItsBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 450
	for i := range n {
		w.add(fmt.Sprintf("%d-0", i+1), fmt.Sprint(i))
	}
	w.Do("XADD", "s", "5000-0", "v", "\xff", "w", "")
	h := w.tail(`, "start": "0"`)
	for i := range n {
		h.entry(fmt.Sprintf("%d-0", i+1), fmt.Sprint(i))
	}
	if e := h.event(); fmt.Sprint(e["data"]) != "map[v_base64:/w== w:]" {
		t.Errorf("got %v", e)
	}
}

// Entries that were trimmed before they were read, a stream that was deleted, and one that went back to an earlier state, are gaps; reading goes on
// with what there is. Seen to fail with missing always content.
func TestStreamGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UnixMilli()
	id := func(ms int64) string { return fmt.Sprintf("%d-0", now+ms-10_000) }
	w.add(id(0), "a")
	h := w.tail(`, "start": "0"`)
	h.entry(id(0), "a")
	w.settled(id(0))
	h.end()
	w.add(id(1), "lost")
	w.add(id(2), "b")
	w.Do("XTRIM", "s", "MAXLEN", "1")
	h = w.tail("")
	from, to := h.gap("may have been trimmed before they were read; the first that is left is " + id(2))
	if from.UnixMilli() != now-10_000 || to.UnixMilli() != now+2-10_000 {
		t.Errorf("the gap goes from %s to %s", from, to)
	}
	h.entry(id(2), "b")
	h.connected()
	w.Do("DEL", "s")
	h.gap("the stream was deleted")
	w.add("7-0", "c") // a new stream, whose ids begin anew
	h.entry("7-0", "c")
	w.add("8-0", "d")
	h.entry("8-0", "d")
	w.settled("8-0")
	h.end()
	w.Do("DEL", "s") // as it is after a restore of an older state
	w.add("7-0", "c")
	h = w.tail("")
	h.gap("the stream went back to 7-0")
	w.add("7-1", "e")
	h.entry("7-1", "e")
	w.settled("7-1")
	h.end()
	w.add("7-2", "lost")
	w.Do("XTRIM", "s", "MAXLEN", "0")
	h = w.tail("")
	h.gap("all entries after 7-1 were trimmed")
	w.add("7-3", "f")
	h.entry("7-3", "f")
	if w.node.count.gaps != 4 {
		t.Errorf("%d gaps counted, want 4", w.node.count.gaps)
	}
}

// A stream that keeps only its last entry is read without gaps by whoever keeps up with it.
func TestStreamOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.tail("").connected()
	for i := range 50 {
		w.Do("XADD", "s", "MAXLEN", "1", fmt.Sprintf("%d-0", i+1), "v", fmt.Sprint(i))
		h.entry(fmt.Sprintf("%d-0", i+1), fmt.Sprint(i))
	}
}

// When entries count as missing, and where reading goes on. Seen to fail (a gap in the streams of one entry) with the server's count of entries not
// looked at, and (none where two are gone) with it taken for the truth though it is not known how many were read.
func TestMissing(t *testing.T) {
	t.Parallel()
	at := func(ms uint64) entryID { return entryID{ms: ms} }
	full := shape{exists: true, some: true, first: at(1), last: at(9), added: 9, length: 9}
	one := shape{exists: true, some: true, first: at(9), last: at(9), added: 9, length: 1}
	old := shape{exists: true, some: true, first: at(9), last: at(9), length: 1} // of a server that counts nothing
	for name, c := range map[string]struct {
		shape  shape
		cursor cursor
		gap    string
		from   entryID
	}{
		"nothing unread":            {full, cursor{at: at(9)}, "", at(9)},
		"some unread":               {full, cursor{at: at(5)}, "", at(5)},
		"from the beginning":        {one, cursor{}, "", at(0)},
		"one of one":                {one, cursor{at: at(8), passed: 8}, "", at(8)},
		"one of one, two are gone":  {one, cursor{at: at(6), passed: 6}, "may have been trimmed", at(6)},
		"not known how many read":   {one, cursor{at: at(8)}, "may have been trimmed", at(8)},
		"not known how many added":  {old, cursor{at: at(8)}, "may have been trimmed", at(8)},
		"all are gone":              {shape{exists: true, last: at(9), added: 9}, cursor{at: at(5)}, "all entries", at(9)},
		"back":                      {full, cursor{at: at(12)}, "went back to 9-0", at(9)},
		"deleted":                   {shape{}, cursor{at: at(5)}, "was deleted", at(0)},
		"not there yet":             {shape{}, cursor{}, "", at(0)},
		"there, and always empty":   {shape{exists: true}, cursor{}, "", at(0)},
		"deleted and begun anew":    {one, cursor{at: at(12)}, "went back", at(9)},
		"the cursor's entry is not": {full, cursor{at: entryID{5, 5}}, "", entryID{5, 5}},
	} {
		gap, from := c.cursor.missing(c.shape)
		if (gap != nil) != (c.gap != "") || gap != nil && !strings.Contains(gap.Reason, c.gap) || from != c.from {
			t.Errorf("%s: gap %v, on from %s; want %q from %s", name, gap, from, c.gap, c.from)
		}
	}
}

// An entry that is too long is left out and counted; many that together are too long for one reading come in several. Seen to fail (the last
// entries dropped) with every entry that isn't whole taken for too long.
func TestStreamOfLongEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.more = `, "max_payload": "10KiB", "buffer": {"max_bytes": "40KiB"}`
	long := func(n int) string { return strings.Repeat("x", n<<10) }
	for i, size := range []int{1, 20, 9, 9, 9, 9, 9, 2} {
		w.add(fmt.Sprintf("%d-0", i+1), long(size))
	}
	w.Do("XADD", "s", "9-0", "a", long(6), "b", long(6)) // together
	w.add("10-0", "end")
	h := w.tail(`, "start": "0"`)
	for i, size := range []int{1, 0, 9, 9, 9, 9, 9, 2} {
		if size > 0 {
			h.entry(fmt.Sprintf("%d-0", i+1), long(size))
		}
	}
	h.entry("10-0", "end")
	if got := w.node.count.of(w.node.count.dropped, resources.DropTooBig); got != 2 {
		t.Errorf("%d dropped as too big, want 2", got)
	}
}

// A key that holds something else is told, and read as soon as it is a stream.
func TestStreamOfAnotherType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Do("SET", "s", "text")
	h := w.tail("")
	h.troubled(resources.StateBackingOff, "WRONGTYPE")
	w.Do("DEL", "s")
	w.add("1-0", "a")
	h.connected()
	w.add("2-0", "b")
	h.entry("2-0", "b") // what came before is not known to be new
}

// A holder that was fenced off ends, and writes nothing. Seen to fail with the error of the write left to the next attempt.
func TestStreamIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.tail("").connected()
	second := w.tail("").connected()
	w.add("1-0", "a")
	if err := receive(t, first.result, "the first holder goes on"); !errors.Is(err, state.ErrFenced) {
		t.Errorf("the first holder ended with %v", err)
	} else {
		first.result <- err
	}
	second.end()
}
