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
// Beside them, for people, lie the last attempts that were in vain: attempts/0 to attempts/9, in turn.
//
// An event whose entry and whose flight name the same attempt is where the entry says: the two are written in one transaction.
const (
	cursorName = "cursor"
	waitingDir = "waiting/"
	doubtDir   = "doubt/"
	deadDir    = "dead/"

	attemptsDir = "attempts/"
)

// cursor is how far the log has been taken up, and what is on its way.
type cursor struct {
	Topics []string        `json:"topics"`
	Source string          `json:"source,omitempty"` // which log it is a position of; "": the topics of the cluster
	At     events.Position `json:"at"`
	Spec   int64           `json:"spec,string,omitempty"` // when the spec was put by which that was so
	Flight []flight        `json:"flight,omitempty"`
	// Taken are the last attempts that the receiver took, newest last, and Answers what was done of what operators asked; for people.
	Taken   []Attempt `json:"taken,omitempty"`
	Answers []answer  `json:"answers,omitempty"`
	// FailingSince is when the first attempt since the last delivery was in vain.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Disabled     *Disabled `json:"disabled,omitempty"`
}

// flight is an intent: from the moment it is on record until its outcome is, the event may have reached the receiver.
type flight struct {
	Event   string    `json:"event"` // its ref
	Attempt int       `json:"attempt"`
	Key     string    `json:"key,omitempty"` // what it must be in order with
	First   time.Time `json:"first,omitzero"`
}

// Attempt is one attempt to deliver an event, as it is shown.
type Attempt struct {
	Event    string    `json:"event"` // its ref
	Attempt  int       `json:"attempt"`
	Time     time.Time `json:"time"` // when it began
	Took     string    `json:"took"`
	Status   int       `json:"status,omitempty"` // 0: there was no answer
	Error    string    `json:"error,omitempty"`  // empty: the receiver took it
	Response string    `json:"response,omitempty"`
}

// Disabled says why nothing is sent until the spec is put again, as it is or changed.
type Disabled struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Spec   int64     `json:"spec,string"` // when the spec was put that it happened under
}

// answer is what was done of what an operator asked.
type answer struct {
	Rev    int64  `json:"rev,string"` // of the ask
	Events int    `json:"events"`
	Error  string `json:"error,omitempty"`
}

// entry is the value of what lies in one of the three directories.
type entry struct {
	Attempt int       `json:"attempt"` // attempts made
	Key     string    `json:"key,omitempty"`
	First   time.Time `json:"first,omitzero"`
	Since   time.Time `json:"since"`         // when it came there
	Next    time.Time `json:"next,omitzero"` // when it is tried or asked about again; zero for when what it waits for is settled
	Status  int       `json:"status,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// due is when an entry is to be tried, or asked about: no later than the whole pause from now on, for the clock of who wrote it down may
// be ahead.
func (e entry) due(now time.Time) time.Time {
	if latest := now.Add(e.Next.Sub(e.Since)); e.Next.After(latest) {
		return latest
	}
	return e.Next
}

// How much is kept for people to look at. What the receiver took goes along with the cursor, which is written anyway, and is short; what
// it didn't has an entry of its own in a transaction that is about nothing else.
const (
	takenKept    = 5
	attemptsKept = 10
	answersKept  = 16
)

// ledger is what Load found.
type ledger struct {
	cursor   *cursor // nil: this webhook was never held
	entries  map[string]map[string]entry
	attempts map[string]Attempt // in vain, by the name of their place
}

// readLedger reads what the holders before have written down. What can't be read is an error: to guess would be to send twice or
// not at all.
func readLedger(records []state.Record) (ledger, error) {
	l := ledger{entries: map[string]map[string]entry{waitingDir: {}, doubtDir: {}, deadDir: {}}, attempts: map[string]Attempt{}}
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
		case dir == attemptsDir:
			var a Attempt
			err = json.Unmarshal(r.Value, &a)
			l.attempts[ref] = a
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
