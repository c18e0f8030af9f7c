package cluster

import "time"

// ClusterInfo is the whole cluster as one node sees it.
type ClusterInfo struct {
	Self      string            `json:"self"`
	Rev       int64             `json:"revision"`
	Nodes     []NodeInfo        `json:"nodes"`
	Resources int               `json:"resources"`
	Held      int               `json:"held"`
	Pending   map[string]Unheld `json:"pending"`   // by reason
	Examples  []PendingInfo     `json:"examples"`  // of those pending, the first 100 by key
	Malformed []MalformedInfo   `json:"malformed"` // keys drm can't use, the first 100
}

// NodeInfo is one node in a ClusterInfo.
type NodeInfo struct {
	ID    string `json:"id"`
	State string `json:"state"` // ready, ailing, leaving, cordoned, draining, gone (its claims have not expired yet)
	Held  int    `json:"held"`
	Load  int64  `json:"load"`
	// Cordon is what an operator says of the node, nil for nothing.
	Cordon *Cordon `json:"cordon,omitempty"`
	Node
}

// PendingInfo is a resource without a holder and why.
type PendingInfo struct {
	Key
	Reason string    `json:"reason"` // one of the Unheld constants
	Detail string    `json:"detail"` // a sentence for people
	Since  time.Time `json:"since"`
}

// MalformedInfo is a key in drm's range that drm can't use.
type MalformedInfo struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// ResourceInfo is one resource as one node sees it.
type ResourceInfo struct {
	Key
	SpecRev int64   `json:"spec_revision"`
	Paused  bool    `json:"paused,omitempty"`
	Weight  int64   `json:"weight"`
	Holder  string  `json:"holder,omitempty"`
	Epoch   int64   `json:"epoch,omitempty"`
	Lease   LeaseID `json:"lease,omitempty"`
	// Address is where the holder's HTTP server is reached, as it says itself.
	Address string `json:"-"`
	// State is, for what is held here, the runner's own word; for what another node holds, "held"; else "pending".
	State   string       `json:"state"`
	Error   string       `json:"last_error,omitempty"`
	Pending *PendingInfo `json:"pending,omitempty"`
}

// Status is the value of status/<kind>/<id>, written by the holder while something is wrong.
type Status struct {
	Node     string    `json:"node"`
	Epoch    int64     `json:"epoch"`
	State    string    `json:"state"` // the runner's word, or: failed, quarantined, invalid, done
	Error    string    `json:"last_error"`
	Attempts int       `json:"attempts,omitempty"` // in vain, in a row
	Since    time.Time `json:"since"`
	NextTry  time.Time `json:"next_try,omitzero"`
	SpecRev  int64     `json:"spec_revision,omitempty"` // the spec that the trouble is with
	// Tried are the nodes on which it went wrong again and again, in order.
	Tried []string `json:"tried,omitempty"`
}

// Of tells whether the status is its present holder's: what an earlier one wrote is history.
func (s *Status) Of(info ResourceInfo) bool { return info.Holder != "" && s.Node == info.Holder }
