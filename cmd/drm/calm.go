package main

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// calmAfter is how long no resource must have started or stopped before a burst counts as over.
const calmAfter = 5 * time.Second

// burst notices when many resources have started or stopped, and gives the memory that this took back to the system
// once it is over. Go keeps it for later use, for minutes; but a node that has taken over thousands of connections and now
// only holds them needs a fraction of what opening them took, and what runs beside it on the machine may need the rest.
type burst struct {
	changes atomic.Int64 // resources started or stopped
}

// observe takes a cluster event. It doesn't block and may be called concurrently.
func (b *burst) observe(e cluster.Event) {
	if e.Type == cluster.Started || e.Type == cluster.Stopped {
		b.changes.Add(1)
	}
}

// run looks after bursts until ctx ends.
func (b *burst) run(ctx context.Context) {
	const many = 100
	ticker := time.NewTicker(calmAfter)
	defer ticker.Stop()
	var returned, last int64 // changes when memory was last given back, and at the last look
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := b.changes.Load()
		if now == last && now-returned >= many {
			debug.FreeOSMemory()
			returned = now
		}
		last = now
	}
}
