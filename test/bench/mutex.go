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
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// mutexes is what is often built instead: every node waits for a lock on every resource, with etcd's own package concurrency. Each node has
// a client and a session of its own, and all its locks are on the session's lease, as that package has it.
type mutexes struct {
	prefix  string
	n       int
	nodes   []*concurrency.Session
	clients []*clientv3.Client
	owned   atomic.Int64
	reached chan struct{} // closed once as many locks as wanted have been got
	wanted  atomic.Int64
	waiting sync.WaitGroup
	cancel  context.CancelCauseFunc
	ctx     context.Context
}

// mostMutexes bounds how many resources are locked: each costs a goroutine for each node, and a watch while it waits.
const mostMutexes = 2000

func (s *inside) mutexes(ctx context.Context, name string) (*mutexes, error) {
	m := &mutexes{prefix: s.scratch.Prefix + name + "/", n: min(s.n, mostMutexes)}
	m.ctx, m.cancel = context.WithCancelCause(ctx)
	for range nodes {
		client, err := clientv3.New(clientv3.Config{Endpoints: s.client.Endpoints(), Logger: zap.NewNop()})
		if err != nil {
			return nil, errors.Join(err, m.close())
		}
		m.clients = append(m.clients, client)
		session, err := concurrency.NewSession(client, concurrency.WithTTL(int(s.b.ttl/time.Second)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open session: %w", err), m.close())
		}
		m.nodes = append(m.nodes, session)
	}
	return m, nil
}

// close ends all waiting and all sessions.
func (m *mutexes) close() error {
	m.cancel(nil)
	m.waiting.Wait()
	var errs []error
	for _, node := range m.nodes {
		_ = node.Close() // one was closed before, as a crash
	}
	for _, client := range m.clients {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}

// want sets how many locks, from now on, are to be got before got returns.
func (m *mutexes) want(n int) {
	m.owned.Store(0)
	m.wanted.Store(int64(n))
	m.reached = make(chan struct{})
}

// lock has nodes wait for the locks of all resources, each by itself.
func (m *mutexes) lock(nodes ...*concurrency.Session) {
	for _, node := range nodes {
		for i := range m.n {
			mutex := concurrency.NewMutex(node, fmt.Sprintf("%sr%d", m.prefix, i))
			m.waiting.Go(func() {
				err := mutex.Lock(m.ctx)
				switch {
				case err == nil && m.owned.Add(1) == m.wanted.Load():
					close(m.reached)
				case err != nil && !errors.Is(err, context.Canceled):
					m.cancel(fmt.Errorf("lock mutex: %w", err))
				}
			})
		}
	}
}

// got waits until as many locks as wanted have been got.
func (m *mutexes) got() error {
	select {
	case <-m.reached:
		return nil
	case <-m.ctx.Done():
		return context.Cause(m.ctx)
	}
}

func (s *inside) mutexClaims(ctx context.Context, drm row) (rows []row, err error) {
	m, err := s.mutexes(ctx, "mutexes")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	m.want(m.n)
	began := time.Now()
	m.lock(m.nodes...)
	if err := m.got(); err != nil {
		return nil, err
	}
	return []row{perSecond("a concurrency.Mutex for each, three nodes waiting for all", m.n, m.n, time.Since(began)).against(drm)}, nil
}

func (s *inside) mutexTakeover(ctx context.Context, drm row) (rows []row, err error) {
	m, err := s.mutexes(ctx, "standby")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	m.want(m.n)
	m.lock(m.nodes[0])
	if err := m.got(); err != nil {
		return nil, err
	}
	m.want(m.n)
	m.lock(m.nodes[1:]...)
	if err := s.queued(ctx, m); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := m.nodes[0].Close(); err != nil { // revokes its lease
		return nil, fmt.Errorf("close session: %w", err)
	}
	if err := m.got(); err != nil {
		return nil, err
	}
	return []row{perSecond("  a concurrency.Mutex for each, two nodes waiting for all", m.n, m.n, time.Since(began)).against(drm)}, nil
}

// queued waits until every node's wish for every lock is in etcd.
func (s *inside) queued(ctx context.Context, m *mutexes) error {
	for {
		answer, err := s.client.Get(ctx, m.prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return fmt.Errorf("count locks: %w", err)
		}
		if int(answer.Count) == m.n*len(m.nodes) {
			return calm(ctx, time.Second) // for their watches
		}
		if err := calm(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
