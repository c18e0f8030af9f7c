package events

import (
	"slices"
	"strings"
	"testing"
)

// Seen to fail with Compare looking at revisions alone.
func TestPositionsAreOrderedByRevisionThenName(t *testing.T) {
	ordered := []Position{{}, {Rev: 9, Name: "a/1"}, {Rev: 10}, {Rev: 10, Name: "a/1"}, {Rev: 10, Name: "b/0"}, {Rev: 11}}
	if !slices.IsSortedFunc(ordered, Position.Compare) || slices.IsSortedFunc([]Position{ordered[4], ordered[3]}, Position.Compare) {
		t.Errorf("%v is not in the order of positions", ordered)
	}
	for _, p := range ordered {
		if again, err := ParsePosition(p.String()); err != nil || again != p {
			t.Errorf("%v was read back as %v, %v", p, again, err)
		}
	}
	for _, wrong := range []string{"", "x", "-1", "/orders"} {
		if p, err := ParsePosition(wrong); err == nil {
			t.Errorf("%q was read as %v", wrong, p)
		}
	}
}

// Seen to fail with idOf deriving nothing, and with an overwritten key keeping its ID.
func TestIDsAreWhatEveryReceiverCanTake(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct {
		name         string
		created, rev int64
		want         string // "" for derived
	}{
		{"order-1_A", 5, 5, "order-1_A"},
		{long, 5, 5, long},
		{"order-1", 5, 7, "order-1-r7"},
		{long, 5, 7, ""},
		{long + "x", 5, 5, ""},
		{"a.b", 5, 5, ""},
		{"a/b", 5, 5, ""},
		{"ümläut", 5, 5, ""},
		{strings.Repeat("ü", 2500), 5, 5, ""},
	} {
		id := idOf(c.name, c.created, c.rev)
		if !validID(id) || (c.want != "" && id != c.want) || (c.want == "" && !strings.HasPrefix(id, "evt_")) {
			t.Errorf("the ID of %.20q (created %d, written %d) is %q; want %q", c.name, c.created, c.rev, id, c.want)
		}
	}
	if idOf("a.b", 5, 5) == idOf("a.b", 6, 6) || idOf("a.b", 5, 5) == idOf("a/b", 5, 5) || idOf(long, 5, 7) == idOf(long, 5, 8) {
		t.Error("two events have the same ID")
	}
}
