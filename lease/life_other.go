//go:build !linux

package lease

import (
	"time"

	"github.com/drm-cluster/drm/cluster"
)

var started = time.Now()

// Boottime returns the time since the process started. Off Linux the clock stops during suspend, so a machine that
// may sleep is not one to hold resources.
func Boottime() cluster.Instant { return cluster.Instant(time.Since(started)) }

// Self returns nothing: off Linux no proof of death is known, so a restarted node waits for its old leases to expire.
func Self() (cluster.Life, error) { return cluster.Life{}, nil }

// Judge says that it can't be told.
func Judge(l cluster.Life) cluster.Verdict {
	return judge(cluster.Life{}, l, func(int) process { return process{exists: true} })
}
