package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/state"
)

// The ledger is what a webhook's holders write down below state/webhook/<id>/, each under its epoch, so that the next one knows
// what became of every event. An event is in exactly one of these places, or settled:
//
//	after cursor.at       nobody has touched it
//	cursor.flight         an attempt may have been sent
//	waiting/<ref>         it will be tried again, or waits for one before it
//	doubt/<ref>           an attempt may have reached the receiver, and somebody must say what to do
//	dead/<ref>            it was given up
//
// An event whose entry and whose flight name the same attempt is where the entry says: the two are written in one transaction.
const (
	cursorName = "cursor"
	waitingDir = "waiting/"
	doubtDir   = "doubt/"
	deadDir    = "dead/"
)

// cursor is how far the log has been taken up, and what is on its way.
type cursor struct {
	Topics []string        `json:"topics"`
	At     events.Position `json:"at"`
	Flight []flight        `json:"flight,omitempty"`
	Last   []attempted     `json:"last,omitempty"` // the last attempts, newest last; for people
	// FailingSince is when the first attempt since the last delivery was in vain.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Disabled     *disabled `json:"disabled,omitempty"`
}

// flight is an intent: from the moment it is on record until its outcome is, the event may have reached the receiver.
type flight struct {
	Event   string `json:"event"` // its ref
	Attempt int    `json:"attempt"`
	Key     string `json:"key,omitempty"` // what it must be in order with
}

// attempted is one attempt as it is shown.
type attempted struct {
	Event   string    `json:"event"`
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Took    string    `json:"took"`
	Status  int       `json:"status,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// disabled says why nothing is sent until somebody enables the webhook, or changes its spec.
type disabled struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Spec   string    `json:"spec"` // fingerprint of the spec that it happened under
}

// entry is the value of what lies in one of the three directories.
type entry struct {
	Attempt int       `json:"attempt"` // attempts made
	Key     string    `json:"key,omitempty"`
	Since   time.Time `json:"since"`         // when it came there
	Next    time.Time `json:"next,omitzero"` // when it is tried or asked about again; zero for when what it waits for is settled
	Status  int       `json:"status,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// lastKept is how many attempts the cursor shows.
const lastKept = 5

// ledger is what Load found.
type ledger struct {
	cursor  *cursor // nil: this webhook was never held
	entries map[string]map[string]entry
}

// readLedger reads what the holders before have written down. What can't be read is an error: to guess would be to send twice or
// not at all.
func readLedger(records []state.Record) (ledger, error) {
	l := ledger{entries: map[string]map[string]entry{waitingDir: {}, doubtDir: {}, deadDir: {}}}
	for _, r := range records {
		dir, ref := "", r.Name
		if i := strings.IndexByte(r.Name, '/'); i >= 0 {
			dir, ref = r.Name[:i+1], r.Name[i+1:]
		}
		var err error
		switch {
		case r.Name == cursorName:
			l.cursor = &cursor{}
			err = json.Unmarshal(r.Value, l.cursor)
		case l.entries[dir] != nil:
			var e entry
			err = json.Unmarshal(r.Value, &e)
			l.entries[dir][ref] = e
		}
		if err != nil {
			return ledger{}, fmt.Errorf("read what was delivered: state %q is not as drm writes it; mend or delete it: %w", r.Name, err)
		}
	}
	return l, nil
}

// leftovers are the intents of earlier holders whose outcome nobody wrote down.
func (l ledger) leftovers() (left []flight) {
	if l.cursor == nil {
		return nil
	}
	for _, f := range l.cursor.Flight {
		recorded := false
		for _, entries := range l.entries {
			e, ok := entries[f.Event]
			recorded = recorded || ok && e.Attempt >= f.Attempt
		}
		if !recorded {
			left = append(left, f)
		}
	}
	return left
}

// encode is the JSON of what is written down, which can always be made.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("webhook: encode %T: %v", v, err))
	}
	return b
}
