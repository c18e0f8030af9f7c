package main

import (
	"fmt"
	"math"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// verdict is whether a TTL suits an etcd.
type verdict struct {
	Granted     inSeconds `json:"granted_s"`
	Window      inSeconds `json:"trust_window_s"`
	Slowest     inSeconds `json:"slowest_renewal_s"`
	Suits       bool      `json:"suits"`
	Recommended inSeconds `json:"recommended_s,omitempty"`
	Says        string    `json:"says"`
}

const (
	// assumedElection and stopBudget are what a node counts on.
	assumedElection = time.Second
	stopBudget      = time.Second
	// reserve is how many times the slowest renewal seen, and the wait for its turn, must fit into the window: a measurement of some
	// seconds has not seen the worst.
	reserve = 2
)

// judgeTTL tells whether a TTL, as granted with its margin, suits an etcd whose renewals took so long at worst and which grants no
// TTL below the least.
func judgeTTL(granted, margin, slowest, least time.Duration) verdict {
	window := granted*99/100 - margin - stopBudget
	need := reserve * (slowest + cluster.RenewEvery(granted))
	fits := max(least, shortestTTL(need))
	v := verdict{
		Granted: inSeconds(granted.Seconds()), Window: round(window), Slowest: round(slowest), Recommended: inSeconds(fits.Seconds()),
	}
	was := fmt.Sprintf("the slowest renewal took %v of the %v for which nodes go on without one", pretty(slowest), pretty(window))
	switch {
	case least*2/3 > 2*assumedElection: // the margin has room for twice what is assumed
		v.Recommended = 0
		v.Says = fmt.Sprintf("TTL %v does not suit this etcd: it grants none below %v, so its election timeout is above %v, and nodes count on %v.\n"+
			"Set etcd's --election-timeout to 1000, its default.", granted, least, pretty((least-time.Second)*2/3), assumedElection)
	case window < need:
		v.Says = fmt.Sprintf("TTL %v does not suit this etcd: %s.\nUse --ttl %v, or find out why it is slow.", granted, was, fits)
	default:
		v.Suits = true
		v.Says = fmt.Sprintf("TTL %v suits this etcd: %s.", granted, was)
		if fits < granted {
			v.Says += fmt.Sprintf("\nThe shortest that would: --ttl %v. A lost machine's resources wait for that long.", fits)
		}
	}
	return v
}

// shortestTTL returns the shortest TTL whose window leaves so much time.
func shortestTTL(need time.Duration) time.Duration {
	ttl := time.Second
	for cluster.TrustWindow(ttl, assumedElection, stopBudget) < need && ttl < time.Hour {
		ttl += time.Second
	}
	return ttl
}

func round(d time.Duration) inSeconds { return inSeconds(math.Round(d.Seconds()*1e4) / 1e4) }

func pretty(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
