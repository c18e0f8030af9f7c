//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// rawPuts returns how many puts a second etcd takes of what a claim is like.
func (s *stage) rawPuts(ctx context.Context) (float64, error) {
	const clients = 64
	var group sync.WaitGroup
	errs := make(chan error, clients)
	began := time.Now()
	for c := range clients {
		group.Go(func() {
			for i := c; i < s.n; i += clients {
				if err := s.Put(ctx, fmt.Sprintf("raw/websocket/r%d", i), `{"node":"n1"}`); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	close(errs)
	return float64(s.n) / took.Seconds(), <-errs
}

// idle is how long a node is left alone before its memory is looked at: the garbage of its start is collected by then.
const idle = 20 * time.Second

// memory compares what all of drm has in use with connections and without.
func memory(ctx context.Context, s *stage) ([]row, error) {
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	empty, err := s.rss(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.put(ctx, s.seen.Address); err != nil {
		return nil, err
	}
	if err := s.held(ctx, 0); err != nil {
		return nil, err
	}
	full, err := s.rss(ctx)
	if err != nil {
		return nil, err
	}
	return []row{
		count("memory of three nodes without resources, supervisors included", 0, float64(empty)/(1<<20), "MiB"),
		count("memory per idle connection, all of drm", s.n, float64(full-empty)/float64(s.n)/(1<<10), "KiB").atMost(10),
	}, nil
}

// rss returns the memory that all processes of all nodes have in use after a while of nothing.
func (s *stage) rss(ctx context.Context) (int64, error) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait: %w", ctx.Err())
	}
	sum := int64(0)
	for _, node := range s.Nodes() {
		sum += node.Supervisor.RSS() + node.Worker.RSS()
	}
	return sum, nil
}
