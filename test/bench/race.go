//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// race is nodes without a plan: each tries to claim every resource that it sees free, one compare-and-swap each, 64 at a time.
type race struct {
	s       *inside
	prefix  string
	racers  []*racer
	wanted  int64
	won     atomic.Int64
	tried   atomic.Int64
	reached chan struct{} // closed once as many as wanted were won
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup
}

// racer is one such node.
type racer struct {
	*race
	id     string
	client *clientv3.Client
	leases []clientv3.LeaseID // a thousand claims on each, as with drm
	seen   chan int           // resources to try for
}

func (s *inside) race(ctx context.Context, name string) (*race, error) {
	r := &race{s: s, prefix: s.scratch.Prefix + name + "/", wanted: int64(s.n), reached: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	for i := range nodes {
		client, err := clientv3.New(clientv3.Config{Endpoints: s.client.Endpoints(), Logger: zap.NewNop()})
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		n := &racer{race: r, id: nodeID(i), client: client, seen: make(chan int, s.n)}
		r.racers = append(r.racers, n)
		for len(n.leases)*1000 < s.n {
			granted, err := client.Grant(ctx, 600)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("grant lease: %w", err), r.close())
			}
			n.leases = append(n.leases, granted.ID)
		}
		for range putters {
			r.running.Go(n.run)
		}
	}
	return r, nil
}

func (r *race) close() error {
	r.cancel(nil)
	r.running.Wait()
	var errs []error
	for _, n := range r.racers {
		errs = append(errs, n.revoke(r.s.client), n.client.Close())
	}
	return errors.Join(errs...)
}

func (n *racer) revoke(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, id := range n.leases {
		if _, err := client.Revoke(ctx, id); err != nil {
			return fmt.Errorf("revoke lease: %w", err)
		}
	}
	n.leases = nil
	return nil
}

// run tries for what is seen.
func (n *racer) run() {
	for {
		select {
		case i := <-n.seen:
			if err := n.try(i); err != nil {
				n.cancel(err)
				return
			}
		case <-n.ctx.Done():
			return
		}
	}
}

func (n *racer) try(i int) error {
	key := fmt.Sprintf("%sr%d", n.prefix, i)
	answer, err := n.client.Txn(n.ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, `{"node":"`+n.id+`"}`, clientv3.WithLease(n.leases[i/1000]))).Commit()
	if err != nil {
		return fmt.Errorf("claim in race: %w", err)
	}
	n.tried.Add(1)
	if answer.Succeeded && n.won.Add(1) == n.wanted {
		close(n.reached)
	}
	return nil
}

// all has a node try for everything.
func (n *racer) all() {
	for i := range n.s.n {
		n.seen <- i
	}
}

// watch has a node try for everything that it sees deleted after a revision.
func (n *racer) watch(rev int64) {
	n.running.Go(func() {
		for answer := range n.client.Watch(n.ctx, n.prefix, clientv3.WithPrefix(), clientv3.WithRev(rev+1), clientv3.WithFilterPut()) {
			for _, e := range answer.Events {
				var i int
				if _, err := fmt.Sscanf(string(e.Kv.Key[len(n.prefix):]), "r%d", &i); err != nil {
					n.cancel(fmt.Errorf("read key %s: %w", e.Kv.Key, err))
					return
				}
				n.seen <- i
			}
		}
	})
}

func (r *race) over() error {
	select {
	case <-r.reached:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

func (r *race) lost() float64 {
	return 100 * float64(r.tried.Load()-r.won.Load()) / float64(r.tried.Load())
}

func (s *inside) raceClaims(ctx context.Context, drm row) (rows []row, err error) {
	r, err := s.race(ctx, "race")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	began := time.Now()
	for _, n := range r.racers {
		r.running.Go(n.all)
	}
	if err := r.over(); err != nil {
		return nil, err
	}
	return []row{
		perSecond("three nodes that race for everything", s.n, s.n, time.Since(began)).against(drm),
		count("  bids lost in the race", s.n, r.lost(), "%"),
	}, nil
}

func (s *inside) raceTakeover(ctx context.Context, drm row) (rows []row, err error) {
	r, err := s.race(ctx, "rerace")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	victim := r.racers[0]
	r.running.Go(victim.all)
	if err := r.over(); err != nil {
		return nil, err
	}
	now, err := s.client.Get(ctx, r.prefix, clientv3.WithCountOnly())
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	r.won.Store(0)
	r.tried.Store(0)
	r.reached = make(chan struct{})
	for _, n := range r.racers[1:] {
		n.watch(now.Header.Revision)
	}
	if err := calm(ctx, time.Second); err != nil { // for the watches
		return nil, err
	}
	began := time.Now()
	if err := victim.revoke(s.client); err != nil {
		return nil, err
	}
	if err := r.over(); err != nil {
		return nil, err
	}
	return []row{
		perSecond("  two nodes that race for everything", s.n, s.n, time.Since(began)).against(drm),
		count("  bids lost in the race", s.n, r.lost(), "%"),
	}, nil
}
