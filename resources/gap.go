package resources

import (
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Gap is a time in which something may have been missed that nobody will send again. Kinds that follow a stream tell of it as soon as they
// receive again, as the data of an event of type drm.<kind>.gap, where the spec asks for that (emit_gaps).
type Gap struct {
	From   time.Time `json:"from,omitzero"` // until when nothing was missed; zero: not known
	To     time.Time `json:"to"`            // from when on nothing is missed
	Reason string    `json:"reason"`        // for people
}

// Length is how long the gap is, 0 if that is not known.
func (g Gap) Length() time.Duration {
	if g.From.IsZero() {
		return 0
	}
	return max(0, g.To.Sub(g.From))
}

// GapBefore returns the gap with which a run begins, whose end is open; nil if nobody is known to have run the resource before. Its beginning is
// not known when the run before was in trouble: it may have received nothing for long.
func GapBefore(c cluster.Claim) *Gap {
	gap := &Gap{From: c.LastRun, Reason: "the resource was begun anew"}
	switch c.Change {
	case "", cluster.ChangeNew:
		return nil
	case cluster.ChangeHandOff:
		gap.Reason = "the resource has moved here from another node"
	case cluster.ChangeTakeover:
		gap.Reason = "the node that held the resource is gone"
	}
	if c.Past != nil && c.Past.State != StateSinkBlocked {
		gap.From = time.Time{}
	}
	return gap
}
