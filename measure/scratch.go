package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// perLease is how many keys are put on one lease, as many as drm's nodes do: etcd deletes them in one step that stops all else.
const perLease = 1000

// Client returns etcd's own client for the etcd that drm is told of.
func Client(cfg lease.Config) (*clientv3.Client, error) {
	spec := &clientv3.ConfigSpec{
		Endpoints: cfg.Endpoints, DialTimeout: max(cfg.DialTimeout, 2*time.Second),
		Secure: &clientv3.SecureConfig{
			Cert: cfg.Cert, Key: cfg.Key, Cacert: cfg.CACert, ServerName: cfg.ServerName,
			InsecureTransport:  cfg.CACert == "" && cfg.Cert == "" && !cfg.InsecureSkipVerify,
			InsecureSkipVerify: cfg.InsecureSkipVerify,
		},
	}
	if cfg.User != "" {
		spec.Auth = &clientv3.AuthConfig{Username: cfg.User, Password: cfg.Password}
	}
	c, err := clientv3.NewClientConfig(spec, zap.NewNop())
	if err != nil {
		return nil, fmt.Errorf("configure etcd's client: %w", err)
	}
	c.Logger = zap.NewNop()
	client, err := clientv3.New(*c)
	if err != nil {
		return nil, fmt.Errorf("open etcd's client: %w", err)
	}
	return client, nil
}

// Scratch puts keys below a prefix of its own, all of them on leases that nobody renews: whatever happens to this process, they are
// gone after the TTL. Its methods are for one goroutine.
type Scratch struct {
	Client *clientv3.Client
	Prefix string
	TTL    time.Duration // enough for all that is to be done

	leases []clientv3.LeaseID
}

// reserve grants leases for so many keys.
func (s *Scratch) reserve(ctx context.Context, keys int) ([]clientv3.LeaseID, error) {
	var leases []clientv3.LeaseID
	for len(leases)*perLease < keys {
		granted, err := s.Client.Grant(ctx, int64(s.TTL/time.Second))
		if err != nil {
			return nil, fmt.Errorf("grant lease: %w", err)
		}
		leases = append(leases, granted.ID)
		s.leases = append(s.leases, granted.ID)
	}
	return leases, nil
}

// Resources puts so many resources of kind Kind, as fast as etcd takes them.
func (s *Scratch) Resources(ctx context.Context, n int) error {
	leases, err := s.reserve(ctx, n)
	if err != nil {
		return err
	}
	const batch = 100 // of perLease; etcd takes 128 at once
	for from := 0; from < n; from += batch {
		var ops []clientv3.Op
		for i := from; i < min(from+batch, n); i++ {
			path := s.Prefix + cluster.ResourcePath(cluster.Key{Kind: Kind, ID: fmt.Sprintf("r%d", i)})
			ops = append(ops, clientv3.OpPut(path, "{}", clientv3.WithLease(leases[i/perLease])))
		}
		if _, err := s.Client.Txn(ctx).Then(ops...).Commit(); err != nil {
			return fmt.Errorf("put resources: %w", err)
		}
	}
	return nil
}

// Puts has etcd's own client put keys the size of claims, each on a lease as claims are, so many at a time over one connection; nobody watches
// them. It returns how long all took, and each.
func (s *Scratch) Puts(ctx context.Context, name string, n, atOnce int) (time.Duration, Spread, error) {
	leases, err := s.reserve(ctx, n)
	if err != nil {
		return 0, Spread{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var each Latencies
	var group sync.WaitGroup
	began := time.Now()
	for range atOnce {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				at := time.Now()
				key := fmt.Sprintf("%s%s/%s/r%d", s.Prefix, name, Kind, i)
				if _, err := s.Client.Put(ctx, key, `{"node":"n1"}`, clientv3.WithLease(leases[i/perLease])); err != nil {
					cancel(err)
					return
				}
				each.Add(time.Since(at))
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, Spread{}, fmt.Errorf("put keys: %w", err)
	}
	return time.Since(began), each.Spread(), nil
}

// Reads has etcd's own client read one key, linearizably, again and again, and returns how long each took.
func (s *Scratch) Reads(ctx context.Context, n int) (Spread, error) {
	var each Latencies
	for range n {
		at := time.Now()
		if _, err := s.Client.Get(ctx, s.Prefix+"read"); err != nil {
			return Spread{}, fmt.Errorf("read key: %w", err)
		}
		each.Add(time.Since(at))
	}
	return each.Spread(), nil
}

// LeastTTL returns the shortest TTL that etcd grants, in whole seconds: three halves of its election timeout, rounded up.
func (s *Scratch) LeastTTL(ctx context.Context) (time.Duration, error) {
	granted, err := s.Client.Grant(ctx, 1)
	if err != nil {
		return 0, fmt.Errorf("grant lease: %w", err)
	}
	s.leases = append(s.leases, granted.ID)
	return time.Duration(granted.TTL) * time.Second, nil
}

// Keys counts what is below the prefix.
func (s *Scratch) Keys(ctx context.Context) (int64, error) {
	answer, err := s.Client.Get(ctx, s.Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("count keys below %s: %w", s.Prefix, err)
	}
	return answer.Count, nil
}

// Clean deletes all keys below the prefix and revokes the leases.
func (s *Scratch) Clean(ctx context.Context) error {
	var errs []error
	for _, id := range s.leases { // with their keys, a thousand at a time
		if ctx.Err() != nil {
			break // one error says it for all
		}
		if _, err := s.Client.Revoke(ctx, id); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			errs = append(errs, fmt.Errorf("revoke lease: %w", err))
		}
	}
	s.leases = nil
	if _, err := s.Client.Delete(ctx, s.Prefix, clientv3.WithPrefix()); err != nil {
		errs = append(errs, fmt.Errorf("delete what is below %s: %w", s.Prefix, err))
	}
	return errors.Join(errs...)
}
