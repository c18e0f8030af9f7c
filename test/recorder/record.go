//go:build linux

package recorder

import (
	"slices"
	"time"
)

// Conn is one connection as it was seen.
type Conn struct {
	Resource string    `json:"resource"`
	Epoch    int64     `json:"epoch"`
	Opened   time.Time `json:"opened"`          // when its request had come
	Closed   time.Time `json:"closed,omitzero"` // when its end was seen; zero while it is open
	Received int64     `json:"received"`        // bytes after the handshake
}

// Open tells whether the connection is open.
func (c Conn) Open() bool { return c.Closed.IsZero() }

// Overlap is two connections that were open for one resource at the same moment.
type Overlap struct {
	Older Conn `json:"older"` // as it was when the newer one came
	Newer Conn `json:"newer"`
}

// Record is all that was seen up to a moment.
type Record struct {
	Open int `json:"open"` // connections
	Held int `json:"held"` // resources with a connection
	Ever int `json:"ever"` // connections that there were

	Conns    []Conn    `json:"conns"` // in the order in which they were opened
	Overlaps []Overlap `json:"overlaps"`
	Stale    []Conn    `json:"stale"`    // dials whose epoch was below the highest seen; they were refused
	Repeated []Conn    `json:"repeated"` // dials whose epoch had been seen, though it was not the recorder that hung up
	Unfenced int       `json:"unfenced"` // dials without an epoch; they were refused
}

// Gap is a time in which nobody was connected for a resource.
type Gap struct {
	Resource string
	From     time.Time
	Length   time.Duration
}

// Gaps returns the gaps that ended after a moment, the longest first.
func (r Record) Gaps(since time.Time) []Gap {
	last := map[string]Conn{}
	var gaps []Gap
	for _, c := range r.Conns {
		if before, ok := last[c.Resource]; ok && c.Opened.After(since) && !before.Open() {
			gaps = append(gaps, Gap{c.Resource, before.Closed, max(c.Opened.Sub(before.Closed), 0)})
		}
		last[c.Resource] = c
	}
	slices.SortFunc(gaps, func(a, b Gap) int { return int(b.Length - a.Length) })
	return gaps
}

// Since returns the connections that were opened after a moment.
func (r Record) Since(at time.Time) []Conn {
	return slices.DeleteFunc(slices.Clone(r.Conns), func(c Conn) bool { return !c.Opened.After(at) })
}

// Of returns the connections of one resource.
func (r Record) Of(resource string) []Conn {
	return slices.DeleteFunc(slices.Clone(r.Conns), func(c Conn) bool { return c.Resource != resource })
}

// Last returns the newest connection of each resource.
func (r Record) Last() map[string]Conn {
	last := map[string]Conn{}
	for _, c := range r.Conns {
		last[c.Resource] = c
	}
	return last
}
