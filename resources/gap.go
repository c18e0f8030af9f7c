package resources

import "time"

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
