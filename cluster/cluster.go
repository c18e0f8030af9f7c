package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Key names a resource: its kind and its id.
type Key struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// String returns kind/id, the form used in paths, logs and the command line.
func (k Key) String() string { return k.Kind + "/" + k.ID }

// Compare orders keys by kind, then id.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Kind, other.Kind), cmp.Compare(k.ID, other.ID))
}

// Instant is a point on a clock that never stops or steps while the machine is up, in
// nanoseconds from an arbitrary start. On Linux it is CLOCK_BOOTTIME: Go's own monotonic clock
// stops during suspend, and a suspended holder must wake up knowing that its trust is over.
type Instant int64

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from o to i.
func (i Instant) Sub(o Instant) time.Duration { return time.Duration(i - o) }

// TermID is one life of a node's leases: a random number of 47 bits.
type TermID uint64

// LeaseID is a lease in the store. Ids are chosen by the node that asks for the lease, term<<16|n, so
// that whose lease it is, and of which term, is arithmetic.
type LeaseID int64

// Lease returns the id of the term's n-th lease; n = 0 is the node lease.
func (t TermID) Lease(n int) LeaseID { return LeaseID(uint64(t)<<16 | uint64(n)&0xffff) }

// Term returns the term that a lease belongs to.
func (l LeaseID) Term() TermID { return TermID(uint64(l) >> 16) }

// String returns the id in hexadecimal, as etcdctl prints it.
func (l LeaseID) String() string { return strconv.FormatInt(int64(l), 16) }

// MarshalText encodes the id in hexadecimal: 63 bits don't survive a JSON number.
func (l LeaseID) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText decodes what MarshalText wrote.
func (l *LeaseID) UnmarshalText(b []byte) error {
	n, err := strconv.ParseInt(string(b), 16, 64)
	if err != nil {
		return fmt.Errorf("read lease id %q: %w", b, err)
	}
	*l = LeaseID(n)
	return nil
}

// Node is what a node says of itself under nodes/<id>. It changes at most when the node leaves, is drained, names a
// new intake lease or, once a minute, finds itself ailing, because its mod revision guards every hand-off to it.
type Node struct {
	ID       string            `json:"-"`
	Term     TermID            `json:"term"`
	Version  string            `json:"version,omitempty"`
	Planners []int             `json:"planners"`
	Zone     string            `json:"zone,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Kinds    []string          `json:"kinds"`
	Capacity *int64            `json:"capacity,omitempty"` // sum of resource weights; nil: no limit
	Weight   int64             `json:"weight"`             // share of the load, 1..MaxWeight
	Ailing   *Ailing           `json:"ailing,omitempty"`   // why Weight is less than it was set to; nil: it isn't
	Address  string            `json:"address,omitempty"`  // host:port of its HTTP listener
	TTL      Duration          `json:"ttl"`
	Intake   Intake            `json:"intake"`
	Life     Life              `json:"life"`
	Leaving  bool              `json:"leaving,omitempty"`
	Draining int64             `json:"draining,string,omitempty"` // revision of the cordon whose drain it carries out: it asks for nothing since
}

// MaxWeight is the greatest weight of a node or a resource. With it, every comparison of loads by
// weight fits into 64 bits for up to 2^43 units of load.
const MaxWeight = 1000

// StandardWeight is a node's weight unless it is told another: it leaves room for a node to ask for less (see Ailing).
const StandardWeight = 100

// Room returns the node's capacity, math.MaxInt64 when it has no limit.
func (n *Node) Room() int64 {
	if n.Capacity == nil {
		return math.MaxInt64
	}
	return *n.Capacity
}

// Intake is the lease on which others may put claims for a node, and how many it takes before the node
// names a new one: credit, so that a node that doesn't start what it was given is given no more.
type Intake struct {
	Lease LeaseID `json:"lease"`
	Quota int     `json:"quota"`
}

// Life is what proves that the process which published it is dead, to a process that can look: same
// machine and another boot, or the same pid namespace in which that pid is absent or started at another time.
type Life struct {
	Machine string `json:"machine,omitempty"`
	Boot    string `json:"boot,omitempty"`
	PIDNS   string `json:"pidns,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"started,omitempty"` // /proc/PID/stat field 22
}

// Verdict is what can be said of a Life from here.
type Verdict int

// The verdicts: only Dead lets a node revoke the leases of its own earlier term.
const (
	Unknown Verdict = iota // can't be told from here: wait for the lease to expire
	Alive                  // that very process runs on this machine
	Dead                   // that process has ended
)

// ClaimValue is the value of a claim. It is for people and figures; who holds a resource is decided by the
// lease that the claim is on.
type ClaimValue struct {
	Node    string     `json:"node"`
	From    string     `json:"from,omitempty"`    // who handed it off
	Stopped *time.Time `json:"stopped,omitempty"` // when that node's runner had returned, by its wall clock
	Origin  string     `json:"origin,omitempty"`  // the node that handed it off as it left, to which it is given back first
}

// Shared are the fields of a spec that every kind has and that planning needs.
type Shared struct {
	Paused   bool              `json:"paused"`
	Weight   int64             `json:"weight"`
	Requires map[string]string `json:"requires"` // labels that a node must have
	Prefers  map[string]string `json:"prefers"`  // labels of nodes that are to have it as long as they have room
}

// ReadShared reads the shared fields of a spec, leniently: what else the spec says is for its kind to judge.
// The error says what to mend.
func ReadShared(spec []byte) (Shared, error) {
	s := Shared{Weight: 1}
	if len(spec) == 0 {
		return s, fmt.Errorf("read spec: it is empty; put a JSON object, such as {\"url\": …}")
	}
	if err := json.Unmarshal(spec, &s); err != nil {
		return s, fmt.Errorf("read spec: %w", err)
	}
	if s.Weight < 1 || s.Weight > MaxWeight {
		return s, fmt.Errorf("read spec: weight is %d; it must be from 1 to %d", s.Weight, MaxWeight)
	}
	return s, nil
}

// Duration is a time.Duration that is a string such as "8s" in JSON.
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration such as "1.5s" or "250ms".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("read duration %q: write a number with a unit, such as 10s or 250ms", b)
	}
	*d = Duration(v)
	return nil
}
