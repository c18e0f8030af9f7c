//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// claims compares how fast nodes that start claim what is there with how fast etcd's own client puts as many keys. The
// nodes may not connect to anything, so that it is claims that are measured: each resource starts, is refused
// and backs off.
func claims(ctx context.Context, s *stage) ([]row, error) {
	puts, err := s.rawPuts(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.put(ctx); err != nil {
		return nil, err
	}
	watching, stop := context.WithTimeout(ctx, within)
	defer stop()
	watch := s.Client.Watch(watching, s.Prefix+"claims/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	if answer := <-watch; !answer.Created {
		return nil, fmt.Errorf("watch claims: %w", answer.Err())
	}
	if err := s.start(ctx, "--egress-allow-loopback=false", "--log-level=error"); err != nil {
		return nil, err
	}
	var first, last time.Time
	seen, atFirst := 0, 0
	for seen < s.n {
		answer, ok := <-watch
		if !ok || answer.Err() != nil {
			return nil, fmt.Errorf("watch claims: %d of %d seen: %w", seen, s.n, answer.Err())
		}
		seen += len(answer.Events)
		if last = time.Now(); first.IsZero() {
			first, atFirst = last, seen // these took a time that is not known, so they don't count
		}
	}
	rate := float64(s.n-atFirst) / last.Sub(first).Seconds()
	return []row{
		count("etcd's own client: puts, 64 at a time", s.n, puts, "/s"),
		count("claims by nodes that start", s.n, rate, "/s"),
		count("  claims / puts", s.n, rate/puts, "").atLeast(4),
	}, nil
}

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
	if err := s.put(ctx); err != nil {
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
