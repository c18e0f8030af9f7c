package cluster

import (
	"math"
	"time"
)

// timing holds the durations that safety rests on. They are computed together, because each bounds another.
type timing struct {
	ttl      time.Duration // of the node lease, whole seconds
	claimTTL time.Duration // of claim leases: longer, so that a node's key goes before its claims
	election time.Duration // the store's election timeout, as assumed
	margin   time.Duration
	stop     time.Duration // stop budget: runners are cancelled this long before their trust ends
	window   time.Duration // trust lasts this long from the moment a renewal was sent
	renew    time.Duration // a renewal each
	patience time.Duration // how long a round of renewals waits for its answers
	useful   time.Duration // renewals are withheld when loop or view were last seen well longer ago
}

const (
	driftPercent = 1                      // how much faster the store's clock may run than ours
	breath       = 500 * time.Millisecond // least time between a renewal sent and runners cancelled
)

// newTiming computes the durations for a TTL, raising it where it is too short to be of use. The margin covers a
// leader that renews for up to two election timeouts after it was deposed, and the stop budget; and two
// trust windows must fit into what a new leader grants at least (TTL + 2 elections), since a stale leader's
// acks can be followed by one more: 2 × window <= ttl + 2 × election.
func newTiming(ttl, election, stop time.Duration) timing {
	margin := 2*election + stop
	least := time.Duration(float64(margin+stop+breath) / (1 - driftPercent/100.0))
	ttl = wholeSeconds(max(ttl, least))
	counted := ttl * (100 - driftPercent) / 100
	margin = max(margin, counted-(ttl+2*election)/2)
	return timing{
		ttl: ttl, claimTTL: ttl + time.Second, election: election, margin: margin, stop: stop,
		window:   counted - margin,
		renew:    min(max(ttl/16, 100*time.Millisecond), 500*time.Millisecond),
		patience: ttl / 6,
		useful:   ttl / 2,
	}
}

// TrustWindow returns for how long the runners of a node go on after the last of its renewals that was answered was sent, under a
// TTL and etcd's election timeout: at its end they are told to stop, and have the stop budget for it.
func TrustWindow(ttl, election, stop time.Duration) time.Duration {
	t := newTiming(ttl, election, stop)
	return t.window - t.stop
}

// RenewEvery returns how often a node renews its leases.
func RenewEvery(ttl time.Duration) time.Duration { return newTiming(ttl, 0, 0).renew }

// granted returns the timing for the TTL that the store granted. One longer than asked for tells of an election timeout
// of up to two thirds of it, which asks for another margin; more says that a longer TTL must be asked for.
func (t timing) granted(ttl time.Duration) (timing, bool) {
	if ttl <= t.ttl {
		return t, false
	}
	next := newTiming(ttl, max(t.election, ttl*2/3), t.stop)
	return next, next.ttl > ttl
}

func wholeSeconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}
