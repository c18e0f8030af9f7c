package webhook

import (
	"encoding/json"
	"strings"

	"github.com/drm-cluster/drm/events"
)

// Need is what of the log a webhook has not done with: events of topics, names or globs, after a position, and those that its ledger names.
type Need struct {
	Topics []string
	After  events.Position
}

// everything is needed by a webhook that does not say what it needs.
func everything(after events.Position) Need { return Need{Topics: []string{"*"}, After: after} }

// NeedsOf returns what a webhook needs by its spec, which was put first at the revision created, and by its cursor, nil if it was never held.
// While the spec has an error the last good one goes on, whose topics the cursor has. It is nothing when the webhook takes its events
// from elsewhere than the log.
func NeedsOf(spec []byte, created int64, cursor *Need) []Need {
	n := everything(events.Position{Rev: created})
	var says struct {
		Topics []string        `json:"topics"`
		Start  string          `json:"start"`
		Source json.RawMessage `json:"source"`
	}
	err := json.Unmarshal(spec, &says)
	switch {
	case err == nil && says.Source != nil:
		return nil
	case cursor != nil:
		n.After = cursor.After
	case says.Start == startOldest:
		n.After = events.Position{}
	}
	if err == nil && len(says.Topics) > 0 {
		n.Topics = says.Topics
	}
	if _, err := readSpec(spec); err != nil && cursor != nil {
		return []Need{n, *cursor}
	}
	return []Need{n}
}

// Entry is what one name in the state of a webhook says.
type Entry struct {
	Cursor *Need    // the name is the cursor's
	Refs   []string // events that are not settled
}

// ReadEntry reads what lies under a name of a webhook's state. A cursor that can't be read needs everything: somebody will mend it.
func ReadEntry(name string, value []byte) Entry {
	if name == cursorName {
		var c cursor
		if json.Unmarshal(value, &c) != nil {
			n := everything(events.Position{})
			return Entry{Cursor: &n}
		}
		e := Entry{Cursor: &Need{Topics: c.Topics, After: c.At}}
		for _, f := range c.Flight {
			e.Refs = append(e.Refs, f.Event)
		}
		return e
	}
	for _, dir := range []string{waitingDir, doubtDir, deadDir} {
		if ref, ok := strings.CutPrefix(name, dir); ok {
			return Entry{Refs: []string{ref}}
		}
	}
	return Entry{}
}
