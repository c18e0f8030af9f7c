package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one event as it lies in the log. Data and Extensions are shared by all who read it: they are not to be changed.
type Event struct {
	Topic string
	// ID is unique in its topic: what the publisher chose, as far as a receiver can take it (1 to 64 letters, digits, - and _), else derived
	// from it. A key that is overwritten is another event and has another ID.
	ID string
	At Position

	Type    string // the topic, if the publisher gave none
	Source  string // drm/topics/<topic>, if the publisher gave none
	Subject string
	Schema  string
	Time    time.Time // when it happened, by the publisher's clock or that of the node that took it; zero if nobody said
	// Extensions are what the publisher said beyond these, by CloudEvents name; nil for nothing.
	Extensions  map[string]string
	ContentType string // of Data; application/json if the publisher gave none and it is
	Data        []byte
}

// Position is a place in the log. The log is in the order of positions, and an event that is published later has a later one. The
// zero Position is before everything.
type Position struct {
	Rev  int64  `json:"rev,string"`     // revision of the store, or the sequence of a stream
	Name string `json:"name,omitempty"` // topic/id: the keys of one transaction share their revision
}

// Compare orders positions as the log does.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Rev, other.Rev), cmp.Compare(p.Name, other.Name))
}

// String is the form in which ParsePosition reads it: the revision, and after a slash the name.
func (p Position) String() string {
	if p.Name == "" {
		return strconv.FormatInt(p.Rev, 10)
	}
	return strconv.FormatInt(p.Rev, 10) + "/" + p.Name
}

// ParsePosition reads what String wrote.
func ParsePosition(s string) (Position, error) {
	digits, name, _ := strings.Cut(s, "/")
	rev, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || rev < 0 {
		return Position{}, fmt.Errorf("read position %q: write it as a position was told, such as 1041 or 1041/orders/evt_1", s)
	}
	return Position{Rev: rev, Name: name}, nil
}

// maxID is how long an ID may be: it travels as webhook-id, and as part of what is signed.
const maxID = 64

// validID tells whether an ID is one that every receiver can take.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// IDOf returns the ID of an event that its publisher calls so: that, if every receiver can take it, else one derived from it. None
// stays none.
func IDOf(id string) string {
	if id == "" || validID(id) {
		return id
	}
	return derivedID(id, 0)
}

// idOf returns the ID of the event that lies under a name (what follows the topic in its key), which was created at one revision
// and last written at another.
func idOf(name string, created, rev int64) string {
	id := name
	if !validID(id) {
		id = derivedID(name, created)
	}
	if created == rev {
		return id
	}
	if again := id + "-r" + strconv.FormatInt(rev, 10); len(again) <= maxID {
		return again
	}
	return derivedID(name, rev)
}

// derivedID names what can't be named as its key is.
func derivedID(name string, rev int64) string {
	sum := sha256.Sum256([]byte(name + "\x00" + strconv.FormatInt(rev, 10)))
	return "evt_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}
