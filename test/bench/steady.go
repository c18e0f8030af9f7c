//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
)

// claims compares how fast nodes claim with how fast etcd's own client puts as many keys. All nodes are cordoned, then
// none is any more. What they connect to accepts nobody, so that it is claims that are measured, not handshakes.
func claims(ctx context.Context, s *stage) ([]row, error) {
	puts, err := s.rawPuts(ctx)
	if err != nil {
		return nil, err
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	defer deaf.Close()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := s.Put(ctx, cluster.CordonPath(nodeID(i)), "bench"); err != nil {
			return nil, err
		}
	}
	if err := s.put(ctx, deaf.Addr().String()); err != nil {
		return nil, err
	}
	took, requests, err := s.uncordon(ctx)
	if err != nil {
		return nil, err
	}
	rate := float64(s.n) / took.Seconds()
	return []row{
		count("etcd's own client: puts, 64 at a time", s.n, puts, "/s"),
		count("claims, from the end of a cordon to the last one", s.n, rate, "/s"),
		count("  claims / puts", s.n, rate/puts, "").atLeast(4),
		count("  claims in one request", s.n, float64(s.n)/float64(requests), ""),
	}, nil
}

// uncordon ends all cordons at once and returns how long it took until everything was claimed, and by how many requests.
func (s *stage) uncordon(ctx context.Context) (took time.Duration, requests int, err error) {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	watch := s.Client.Watch(ctx, s.Prefix+"claims/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	if answer := <-watch; !answer.Created {
		return 0, 0, fmt.Errorf("watch claims: %w", answer.Err())
	}
	at := time.Now()
	if _, err := s.Client.Delete(ctx, s.Prefix+"cordons/", clientv3.WithPrefix()); err != nil {
		return 0, 0, fmt.Errorf("end cordons: %w", err)
	}
	revisions := map[int64]bool{}
	for seen := 0; seen < s.n; {
		answer, ok := <-watch
		if !ok || answer.Err() != nil {
			return 0, 0, fmt.Errorf("watch claims: %d of %d seen: %w", seen, s.n, errors.Join(ctx.Err(), answer.Err()))
		}
		seen += len(answer.Events)
		for _, e := range answer.Events {
			revisions[e.Kv.ModRevision] = true
		}
	}
	return time.Since(at), len(revisions), nil
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
