package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
)

// State is where an event is that a webhook has taken up and not settled.
type State string

// The states of an event.
const (
	Sending State = "sending" // an attempt is on its way, or its holder has ended and nobody has taken over yet
	Waiting State = "waiting" // for another attempt, or for an event before it
	InDoubt State = "in_doubt"
	Dead    State = "dead"
)

// States returns them, in the order that an event goes through.
func States() []State { return []State{Sending, Waiting, InDoubt, Dead} }

// dir is where in the ledger the entries of a state lie; "" if it has none.
func (s State) dir() string {
	return map[State]string{Waiting: waitingDir, InDoubt: doubtDir, Dead: deadDir}[s]
}

// Deliveries is what is on record of a webhook's deliveries.
type Deliveries struct {
	Topics []string `json:"topics"` // none if its events lie elsewhere than in etcd
	Cursor string   `json:"cursor"` // the position up to which the log is taken up
	// Backlog is how many events of the topics lie after that, wanted or not; nil without topics.
	Backlog *int `json:"backlog,omitempty"`

	Counts       map[State]int `json:"counts"`
	FailingSince time.Time     `json:"failing_since,omitzero"` // nothing was taken since
	Disabled     *Disabled     `json:"disabled,omitempty"`

	Events   []Delivery `json:"events"`   // not settled, in the order of the log
	Attempts []Attempt  `json:"attempts"` // the last ones, newest first

	at events.Position
}

// Delivery is an event that is not settled.
type Delivery struct {
	Event    string    `json:"event"` // its ref
	State    State     `json:"state"`
	Attempts int       `json:"attempts"` // the one on its way included
	Since    time.Time `json:"since,omitzero"`
	Next     time.Time `json:"next,omitzero"`    // when it is tried again, or the receiver asked about it
	Status   int       `json:"status,omitempty"` // of the last answer, 0 if there was none
	Reason   string    `json:"reason,omitempty"`
}

// deliveries makes of a ledger what is shown of it. Backlog is left to the caller.
func deliveries(l ledger) Deliveries {
	d := Deliveries{Topics: []string{}, Counts: map[State]int{}, Events: []Delivery{}, Attempts: []Attempt{}}
	sending := map[string]bool{}
	for _, f := range l.leftovers() {
		sending[f.Event] = true
		d.Events = append(d.Events, Delivery{Event: f.Event, State: Sending, Attempts: f.Attempt, Since: f.First})
	}
	for _, s := range []State{Waiting, InDoubt, Dead} {
		for ref, e := range l.entries[s.dir()] {
			if sending[ref] {
				continue // its entry stands until it is known what came of the attempt
			}
			d.Events = append(d.Events, Delivery{
				Event: ref, State: s, Attempts: e.Attempt, Since: e.Since, Next: e.Next, Status: e.Status, Reason: e.Reason,
			})
		}
	}
	for _, e := range d.Events {
		d.Counts[e.State]++
	}
	for _, a := range l.attempts {
		d.Attempts = append(d.Attempts, a)
	}
	if c := l.cursor; c != nil {
		d.Topics, d.at, d.FailingSince, d.Disabled = append(d.Topics, c.Topics...), c.At, c.FailingSince, c.Disabled
		d.Attempts = append(d.Attempts, c.Taken...)
	}
	d.Cursor = d.at.String()
	slices.SortFunc(d.Events, func(a, b Delivery) int { return cmp.Compare(a.Event, b.Event) })
	slices.SortStableFunc(d.Attempts, func(a, b Attempt) int { return b.Time.Compare(a.Time) })
	return d
}

// Name is how people call the event: topic/id.
func (d Delivery) Name() string { return nameOf(d.Event) }

// Name is how people call the event: topic/id.
func (a Attempt) Name() string { return nameOf(a.Event) }

// Narrow leaves out the events that are in none of the states, if any are given, those whose state is older than since, the attempts before
// it, and all events but the first so many, if limit is above 0. It returns how many events were left out by that limit.
func (d *Deliveries) Narrow(states []State, since time.Time, limit int) (left int) {
	d.Events = slices.DeleteFunc(d.Events, func(e Delivery) bool {
		old := e.State != Sending && e.Since.Before(since) // what is being sent is of now
		return old || len(states) > 0 && !slices.Contains(states, e.State)
	})
	d.Attempts = slices.DeleteFunc(d.Attempts, func(a Attempt) bool { return a.Time.Before(since) })
	if limit > 0 && len(d.Events) > limit {
		left = len(d.Events) - limit
		d.Events = d.Events[:limit]
	}
	return left
}

// nameOf is how people call the event with a ref: topic/id.
func nameOf(ref string) string {
	topic, id, _, err := events.ParseRef(ref)
	if err != nil {
		return ref
	}
	return topic + "/" + id
}

// ParseStates reads names of states with commas between them.
func ParseStates(text string) (states []State, err error) {
	for name := range strings.SplitSeq(text, ",") {
		s := State(name)
		if s != Sending && s.dir() == "" {
			return nil, fmt.Errorf("%w: there is no state %q; the states are %s, %s, %s and %s", ErrWrong, name, Sending, Waiting, InDoubt, Dead)
		}
		states = append(states, s)
	}
	return states, nil
}
