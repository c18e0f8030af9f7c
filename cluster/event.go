package cluster

import "time"

// EventType says what happened.
type EventType string

// The events. Each is one line in a log and moves one metric; in every event Time is set, and the fields named.
const (
	TermStarted EventType = "term started" // Term, TTL granted, Margin of it that is never used
	TermEnded   EventType = "term ended"   // Term, Reason (leaving, fenced, lost, restored, error, duplicate), Err
	TermWaiting EventType = "term waiting" // Err: why the node can't register yet
	NodeJoined  EventType = "node joined"  // Node
	NodeLeaving EventType = "node leaving" // Node
	NodeGone    EventType = "node gone"    // Node
	Listed      EventType = "listed"       // Count records, Reason (start, again): the range was listed; Drift differences
	Planned     EventType = "planned"      // Count targets chosen anew
	BidsSent    EventType = "bids sent"    // Count
	BidWon      EventType = "bid won"      // Key, Epoch
	BidLost     EventType = "bid lost"     // Key
	Claimed     EventType = "claimed"      // Key, Epoch, Reason (one of the Change constants): the claim is ours
	Started     EventType = "started"      // Key, Epoch, Reason, Gap: time without a runner, if known
	Stopped     EventType = "stopped"      // Key, Epoch, Reason (moving, changed, unwanted, lost, fenced, failed, done, leaving), Gap: time to stop
	Failed      EventType = "failed"       // Key, Epoch, Err, Count: failures in a row
	Quarantined EventType = "quarantined"  // Key, Err: not run until its spec is put again
	Tried       EventType = "tried"        // Key, Node, Reason (well, failed): how it fares there what failed here
	Ailed       EventType = "ailing"       // Count: the weight asked for now; Err: why it is less than was set, nil when it isn't any more
	Invalid     EventType = "invalid"      // Key, Err: a new spec was refused; the last good one runs on
	HandedOff   EventType = "handed off"   // Key, Epoch (of the new claim), Node (the next holder)
	Released    EventType = "released"     // Key, Reason
	LostClaim   EventType = "lost claim"   // Key, Epoch: deleted or taken while we held it
	LostLease   EventType = "lost lease"   // Lease, Reason
	Malformed   EventType = "malformed"    // Path, Err: a key that drm can't use
	Balanced    EventType = "balanced"     // Count moves decided
	Divided     EventType = "divided"      // Err: nodes share no version of the planner, so nothing moves; nil once they do
	Stuck       EventType = "stuck"        // Err: renewals are withheld, or, with Key and Epoch, a runner does not stop
)

// How a claim came to a node.
const (
	ChangeNew      = "new"      // nobody had held it since this node listed
	ChangeTakeover = "takeover" // its holder is gone
	ChangeHandOff  = "handoff"  // its holder handed it over
	ChangeRenewed  = "renewed"  // this node's own claim under a new epoch
	ChangeAdopted  = "adopted"  // a request whose outcome was unknown
)

// Event is something that happened on this node. Which fields are set is said at its type.
type Event struct {
	Type   EventType
	Time   time.Time
	Key    Key
	Epoch  int64
	Node   string
	Term   TermID
	Lease  LeaseID
	Path   string
	Reason string
	Count  int
	Drift  int
	Gap    time.Duration // negative: not known
	TTL    time.Duration
	Margin time.Duration
	Err    error
}

// Stats are the gauges of a node, as of At. They are published by the loop a few times a second.
type Stats struct {
	At        time.Time
	Rev       int64
	Term      TermID                    // 0 while between terms
	Planned   bool                      // the first plan of this term is made
	Leaving   bool                      // the node hands off what it holds, or has done so
	Trust     time.Duration             // least remaining over all leases of the term, at At
	Leases    int                       // leases of the term
	Nodes     map[string]int            // by state: ready, ailing, leaving, cordoned, draining
	Resources map[string]int            // in the cluster, by kind
	Held      map[string]map[string]int // here, by kind and state
	Unheld    map[string]Unheld         // in the cluster, by reason
	Invalid   map[string]int            // specs held here that were refused, by kind
	Troubled  map[string]int            // held here with something wrong, by kind
	Part      float64                   // of its weight that the node asks for: 1, or less while it is ailing; 0 between terms
}

// Unheld counts resources without a holder for one reason.
type Unheld struct {
	Count  int       `json:"count"`
	Oldest time.Time `json:"oldest,omitzero"` // since when the one waiting longest has waited, as far as this node has seen
}

// Why a resource has no holder.
const (
	UnheldWaiting  = "waiting"  // its target is about to claim it
	UnheldPaused   = "paused"   // its spec says so
	UnheldInvalid  = "invalid"  // its spec or key can't be read
	UnheldKind     = "kind"     // no node runs its kind
	UnheldRequires = "requires" // no node has the labels it requires
	UnheldCapacity = "capacity" // the nodes that could are full
	UnheldNoNode   = "no_node"  // every node is cordoned or leaving
	UnheldDeleted  = "deleted"  // its claim was deleted while its holder lived: waits for 5/4 of a TTL
)
