package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/credentials"

	"github.com/drm-cluster/drm/cluster"
)

// Store is a cluster.Store on etcd. All methods may be called concurrently.
type Store struct {
	cfg     Config
	tls     *reloading // nil without TLS
	members []*member
	pin     *pin

	best   atomic.Int32 // index of the member that answered last
	minTTL atomic.Int64 // the shortest TTL granted or renewed here, in nanoseconds; 0: none yet

	commits atomic.Int64 // that the log has told of

	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	streams sync.WaitGroup // goroutines of keepalive streams
	close   func() error
}

var _ cluster.Store = (*Store)(nil)

// Open returns a store of an etcd that need not be reachable yet; Check tells whether it is. The error is about
// the configuration.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg.filled(), pin: newPin()}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.close = sync.OnceValue(s.closeOnce)
	var creds credentials.TransportCredentials
	if to, err := cfg.parse(cfg.Endpoints[0]); err == nil && to.secure {
		s.tls = &reloading{cfg: s.cfg}
		if err := s.ReloadTLS(); err != nil {
			return nil, err
		}
		creds = s.tls
	}
	for i := range s.cfg.Endpoints {
		m, err := newMember(s.cfg, i, creds)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.members = append(s.members, m)
	}
	// Else all nodes of a cluster would begin with the same member, and stay there with their watches.
	s.best.Store(rand.Int32N(int32(len(s.members))))
	return s, nil
}

// Prefix is what every key of the cluster begins with; it ends in /.
func (s *Store) Prefix() string { return s.cfg.Prefix }

// Close ends every call in progress with ErrClosed and closes the connections. Leases live on until they expire.
// Closing again does nothing.
func (s *Store) Close() error { return s.close() }

func (s *Store) closeOnce() error {
	s.cancel(ErrClosed)
	s.streams.Wait()
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// joined returns a context that ends with ctx and with the store.
func (s *Store) joined(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// bounded returns a context for one request.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := s.joined(ctx)
	ctx, done := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	return ctx, func() { done(); cancel() }
}

// slow is how long a small write or a page may take before another member is asked too.
const slow = time.Second

// Grant creates a lease. See cluster.Store.
func (s *Store) Grant(ctx context.Context, id cluster.LeaseID, ttl time.Duration) (time.Duration, error) {
	seconds := int64((ttl + time.Second - 1) / time.Second)
	var sent atomic.Int32
	granted, err := ask(ctx, s, "grant", slow, func(ctx context.Context, m *member) (int64, error) {
		sent.Add(1)
		var answer *pb.LeaseGrantResponse
		err := m.call(ctx, func(ctx context.Context) (err error) {
			answer, err = pb.NewLeaseClient(m.requests).LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: int64(id), TTL: seconds})
			return err
		})
		if errors.Is(err, rpctypes.ErrLeaseExist) && sent.Load() > 1 {
			return grantedBefore(ctx, m, id)
		}
		return answer.GetTTL(), err
	})
	if err != nil {
		return 0, s.explain(fmt.Sprintf("grant lease %v", id), err)
	}
	s.learn(granted)
	return time.Duration(granted) * time.Second, nil
}

// grantedBefore reads the TTL of a lease that an earlier attempt of the same call has granted.
func grantedBefore(ctx context.Context, m *member, id cluster.LeaseID) (int64, error) {
	var answer *pb.LeaseTimeToLiveResponse
	err := m.call(ctx, func(ctx context.Context) (err error) {
		answer, err = pb.NewLeaseClient(m.requests).LeaseTimeToLive(ctx, &pb.LeaseTimeToLiveRequest{ID: int64(id)})
		return err
	})
	if err == nil && answer.TTL < 0 {
		return 0, rpctypes.ErrLeaseNotFound
	}
	return answer.GetGrantedTTL(), err
}

// learn notes a granted TTL: how long to wait for a renewal depends on the shortest.
func (s *Store) learn(seconds int64) {
	ttl := seconds * int64(time.Second)
	for {
		before := s.minTTL.Load()
		if before != 0 && before <= ttl || s.minTTL.CompareAndSwap(before, ttl) {
			return
		}
	}
}

// Revoke ends a lease. See cluster.Store.
func (s *Store) Revoke(ctx context.Context, id cluster.LeaseID) error {
	_, err := ask(ctx, s, "revoke", slow, func(ctx context.Context, m *member) (struct{}, error) {
		err := m.call(ctx, func(ctx context.Context) error {
			_, err := pb.NewLeaseClient(m.requests).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: int64(id)})
			return err
		})
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			err = nil
		}
		return struct{}{}, err
	})
	return s.explain(fmt.Sprintf("revoke lease %v", id), err)
}
