package events

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

const (
	// MaxRetention is how long an event stays at most: etcd deletes it then, whether or not anybody trims.
	MaxRetention = 7 * 24 * time.Hour
	// bucket is the time in which events share leases.
	bucket = time.Hour
	// maxOnLease is how many events a publisher puts on a lease: when it ends, etcd deletes them all in one go.
	maxOnLease = 1000
	// shared is how many leases of a bucket all publishers begin with, so that many which publish little fill few.
	shared = 16
)

// retention hands out leases for events to be put on. Their ids are arithmetic, so that publishers which know nothing of each other, such as
// commands that publish one event, share them: a hash of the prefix, the bucket and a number.
type retention struct {
	store *lease.Store
	space uint64 // the first 31 bits: other clusters on the same etcd have other leases
	now   func() time.Time

	turn   chan struct{} // holds a token while somebody looks at what is below
	bucket int64
	lease  cluster.LeaseID // of the bucket; 0 for none
	left   int             // how many more it takes from this publisher
}

func newRetention(store *lease.Store) *retention {
	return &retention{store: store, space: xxhash.Sum64String(store.Prefix()) >> 33, now: time.Now, turn: make(chan struct{}, 1)}
}

// take returns a lease for n events.
func (r *retention) take(ctx context.Context, n int) (cluster.LeaseID, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	now := r.now().UnixNano() / int64(bucket)
	if r.bucket != now {
		r.bucket, r.lease, r.left = now, 0, 0
	}
	if r.left < n {
		if err := r.grant(ctx); err != nil {
			return 0, err
		}
	}
	r.left -= n
	return r.lease, nil
}

// grant finds the next lease: first one of those that are shared, then such as nobody has.
func (r *retention) grant(ctx context.Context) error {
	for first := r.lease == 0; ; first = false {
		n := rand.Uint64N(shared)
		if !first {
			n = shared + rand.Uint64N(1<<16-shared)
		}
		id := cluster.LeaseID(r.space<<32 | uint64(r.bucket)&0xffff<<16 | n)
		existed, err := r.store.Share(ctx, id, MaxRetention+bucket)
		if err != nil {
			return err
		}
		if first || !existed {
			r.lease, r.left = id, maxOnLease
			return nil
		}
	}
}

// lost forgets a lease that etcd does not know any more.
func (r *retention) lost(id cluster.LeaseID) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if r.lease == id {
		r.lease, r.left = 0, 0
	}
}
