//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// put is one put and how long it took.
type put struct {
	at   time.Time
	took time.Duration
}

// revoked is what became of somebody else's puts while leases were revoked.
type revoked struct {
	puts         []put
	began, ended time.Time // of the revoking
}

// stall measures etcd alone: as many keys as there are resources are deleted by revoking their leases, while somebody puts and
// three nodes watch. On one lease they go in one step that stops all else; drm puts a thousand on each.
func stall(ctx context.Context, s *inside) ([]row, error) {
	many, err := s.revoke(ctx, "many", 1000)
	if err != nil {
		return nil, err
	}
	one, err := s.revoke(ctx, "one", s.n)
	if err != nil {
		return nil, err
	}
	if err := s.b.draw("stall", func() chart { return stallChart(s.n, many, one) }); err != nil {
		return nil, err
	}
	own := seconds(fmt.Sprintf("%d claims vanish, 1,000 on a lease: slowest put of another", s.n), s.n, many.slowest())
	return []row{own, seconds("  all of them on one lease", s.n, one.slowest()).against(own)}, nil
}

// slowest returns how long the slowest put took that was under way meanwhile.
func (r revoked) slowest() (most time.Duration) {
	for _, p := range r.puts {
		if p.at.Before(r.ended) && p.at.Add(p.took).After(r.began) {
			most = max(most, p.took)
		}
	}
	return most
}

// revoke puts the keys, so many on a lease, and revokes the leases.
func (s *inside) revoke(ctx context.Context, name string, perLease int) (r revoked, err error) {
	prefix := s.scratch.Prefix + name + "/"
	leases, err := s.attach(ctx, prefix, perLease)
	if err != nil {
		return r, err
	}
	watching, unwatch := context.WithCancel(ctx)
	var group sync.WaitGroup
	for range nodes {
		events := s.client.Watch(watching, prefix, clientv3.WithPrefix())
		group.Go(func() {
			for range events { // until unwatch
			}
		})
	}
	putting, stop := context.WithCancel(ctx)
	var puts []put
	group.Go(func() { puts = s.putAlong(putting) })
	defer group.Wait()
	defer unwatch()
	defer stop()
	if err := calm(ctx, 500*time.Millisecond); err != nil {
		return r, err
	}
	r.began = time.Now()
	if err := s.revokeAll(ctx, leases); err != nil {
		return r, err
	}
	r.ended = time.Now()
	if err := calm(ctx, 500*time.Millisecond); err != nil {
		return r, err
	}
	stop()
	unwatch()
	group.Wait()
	r.puts = puts
	return r, nil
}

// revokeAll revokes leases as drm does: eight at a time.
func (s *inside) revokeAll(ctx context.Context, leases []clientv3.LeaseID) error {
	errs := make([]error, len(leases))
	slots := make(chan struct{}, 8)
	var group sync.WaitGroup
	for i, id := range leases {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if _, err := s.client.Revoke(ctx, id); err != nil {
				errs[i] = fmt.Errorf("revoke lease: %w", err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// attach puts the keys on leases.
func (s *inside) attach(ctx context.Context, prefix string, perLease int) (leases []clientv3.LeaseID, err error) {
	for from := 0; from < s.n; from += perLease {
		granted, err := s.client.Grant(ctx, 600)
		if err != nil {
			return nil, fmt.Errorf("grant lease: %w", err)
		}
		leases = append(leases, granted.ID)
		for i := from; i < min(from+perLease, s.n); i += 100 {
			var ops []clientv3.Op
			for j := i; j < min(i+100, from+perLease, s.n); j++ {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("%sr%d", prefix, j), `{"node":"n1"}`, clientv3.WithLease(granted.ID)))
			}
			if _, err := s.client.Txn(ctx).Then(ops...).Commit(); err != nil {
				return nil, fmt.Errorf("put keys: %w", err)
			}
		}
	}
	return leases, nil
}

// putAlong puts one key again and again, about each millisecond, until ctx ends.
func (s *inside) putAlong(ctx context.Context) (puts []put) {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		at := time.Now()
		if _, err := s.client.Put(ctx, s.scratch.Prefix+"along", ""); err != nil {
			return puts // ctx has ended, or the part fails otherwise too
		}
		puts = append(puts, put{at, time.Since(at)})
		select {
		case <-again.C:
		case <-ctx.Done():
			return puts
		}
	}
}
