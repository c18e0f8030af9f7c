package lease

import (
	"context"
	"errors"
	"math"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// Range is all keys whose paths begin with Below, which must not be empty.
type Range struct {
	Below string
	// KeysOnly leaves values out of listings. What is watched has them all the same.
	KeysOnly bool
}

// keys are what a listing or a watch is about.
type keys struct {
	name       string // for the log
	first, end []byte
	only       bool          // no values in listings
	fresh      time.Duration // how often the watch is proven to be up to date
	recheck    time.Duration // how often all is listed again in the background
}

// control is what planning needs.
func (s *Store) control() keys {
	return keys{
		name: "control", first: s.key(cluster.ControlFirst), end: s.key(cluster.ControlEnd),
		fresh: s.cfg.FreshEvery, recheck: s.cfg.ReconcileEvery,
	}
}

// aside is how much more seldom than the control range other keys are proven to be up to date: no trust hangs on
// them, and each proof is a request. What it finds out is that a watch has fallen silent.
const aside = 4

// never is when keys beside the control range are listed in the background. Who follows them notices a lost event when it next
// reads the key.
const never = time.Duration(math.MaxInt64 / 2)

func (s *Store) keysOf(r Range) keys {
	end := s.key(r.Below)
	end[len(end)-1]++ // paths are ASCII up to where they are cut, so nothing is carried over
	return keys{
		name: r.Below, first: s.key(r.Below), end: end, only: r.KeysOnly, fresh: aside * s.cfg.FreshEvery, recheck: never,
	}
}

// FollowRange lists a range and then delivers every later change, as Follow does with the control range. It ends with
// cluster.ErrRestored when the store was restored or replaced, and can't begin again before Follow has: whoever
// holds resources is to hear of it first. A listing tells nothing of keys that were deleted, nor of their order.
func (s *Store) FollowRange(ctx context.Context, r Range, out chan<- cluster.Batch) error {
	life, err := s.pin.present()
	if err != nil {
		return s.explain("follow "+r.Below, err)
	}
	return s.follow(ctx, life, s.keysOf(r), out)
}

// List reads a range as of one revision and passes pages of records on, in the order of paths; at least one, even when
// it is empty. An error of each ends it.
func (s *Store) List(ctx context.Context, r Range, each func(cluster.Batch) error) error {
	return s.list(ctx, s.keysOf(r), each)
}

// Count tells how many keys a range has, and the store's revision. It costs far less than a listing.
func (s *Store) Count(ctx context.Context, r Range) (n, rev int64, err error) {
	keys := s.keysOf(r)
	answer, err := s.read(ctx, "read", &pb.RangeRequest{Key: keys.first, RangeEnd: keys.end, CountOnly: true})
	if err != nil {
		return 0, 0, s.explain("count keys", err)
	}
	return answer.Count, answer.Header.Revision, nil
}

// Share grants a lease that others may have granted already, and tells whether they had: then nothing was changed.
func (s *Store) Share(ctx context.Context, id cluster.LeaseID, ttl time.Duration) (existed bool, err error) {
	_, err = s.Grant(ctx, id, ttl)
	if errors.Is(err, rpctypes.ErrLeaseExist) {
		return true, nil
	}
	return false, err
}
