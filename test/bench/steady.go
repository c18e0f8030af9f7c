//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// steady watches etcd while nothing happens: renewals and writes as etcd itself counts them.
func steady(ctx context.Context, s *inside) ([]row, error) {
	const span = 15 * time.Second
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	if err := calm(ctx, 5*time.Second); err != nil { // balancing, intake leases
		return nil, err
	}
	renewed, rev, err := s.counts(ctx)
	if err != nil {
		return nil, err
	}
	leases, err := s.client.Leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	own := len(leases.Leases) - (s.n+999)/1000 // the others are those of the resources, which nobody renews
	began := time.Now()
	if err := calm(ctx, span); err != nil {
		return nil, err
	}
	renewedThen, revThen, err := s.counts(ctx)
	if err != nil {
		return nil, err
	}
	rate := (renewedThen - renewed) / float64(own) / time.Since(began).Seconds()
	return []row{
		count(fmt.Sprintf("nothing happens: keepalives for each of %d leases of three nodes", own), s.n, rate, "/s").atMost(2.02), // a round more fits into the span
		count("  writes in 15 s", s.n, float64(revThen-rev), "").exactly(0),
	}, nil
}

// counts returns how many leases etcd has renewed, and its revision.
func (s *inside) counts(ctx context.Context) (renewed float64, rev int64, err error) {
	answer, err := s.client.Get(ctx, s.scratch.Prefix)
	if err != nil {
		return 0, 0, fmt.Errorf("read revision: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.client.Endpoints()[0]+"/metrics", nil)
	if err != nil {
		return 0, 0, fmt.Errorf("read etcd's metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("read etcd's metrics: %w", err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "etcd_debugging_lease_renewed_total "); ok {
			renewed, err = strconv.ParseFloat(value, 64)
			return renewed, answer.Header.Revision, err
		}
	}
	return 0, 0, fmt.Errorf("read etcd's metrics: it does not count renewals")
}

// elsewhere compares this process's heap before and after one more node has listed what others hold.
func elsewhere(ctx context.Context, s *inside) ([]row, error) {
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	if err := calm(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	before := heap()
	listed := s.Terms()
	if err := s.Watch("bystander"); err != nil {
		return nil, err
	}
	for s.Terms() == listed {
		if err := calm(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := calm(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	each := float64(heap()-before) / float64(s.n)
	return []row{count("memory per resource held elsewhere, on one node's heap", s.n, each, "B").atMost(400)}, nil
}

// heap returns the bytes in use on this process's heap.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// idle is how long a node is left alone before its memory is looked at: the garbage of its start is collected by then.
const idle = 20 * time.Second

// memory compares what all of drm has in use with connections and without.
func memory(ctx context.Context, s *stage) ([]row, error) {
	if err := s.start(ctx, nil, nil); err != nil {
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
	if err := calm(ctx, idle); err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, node := range s.Nodes() {
		sum += node.Supervisor.RSS() + node.Worker.RSS()
	}
	return sum, nil
}
