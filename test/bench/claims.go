//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// claims compares how fast nodes claim with how fast etcd's own client puts as many keys. The nodes are loops in this process
// whose runners do nothing, so that it is claims that are measured: not handshakes, nor what they cost the machine.
func claims(ctx context.Context, s *stage) ([]row, error) {
	puts, err := s.rawPuts(ctx)
	if err != nil {
		return nil, err
	}
	specs := map[string]string{}
	for i := range s.n {
		specs[cluster.ResourcePath(cluster.Key{Kind: "nothing", ID: fmt.Sprintf("r%d", i)})] = "{}"
	}
	if err := s.PutAll(ctx, specs); err != nil {
		return nil, err
	}
	w := &witness{want: s.n, all: make(chan struct{})}
	if err := s.loops(ctx, w); err != nil {
		return nil, err
	}
	rate := float64(s.n) / w.last.Sub(w.first).Seconds()
	return []row{
		count("etcd's own client: puts, 64 at a time", s.n, puts, "/s"),
		count("claims, from the first bid to the last runner started", s.n, rate, "/s"),
		count("  claims / puts", s.n, rate/puts, "").atLeast(4),
		count("  bids lost", s.n, 100*float64(w.lost)/float64(s.n), "%").atMost(5),
	}, nil
}

// loops runs three nodes until everything is held.
func (s *stage) loops(ctx context.Context, w *witness) error {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	leave, end := context.WithCancel(ctx)
	defer end()
	abort := make(chan struct{})
	defer close(abort) // nothing is to be handed off
	for i := range nodes {
		store, err := lease.Open(lease.Config{Endpoints: s.Client.Endpoints(), Prefix: s.Prefix})
		if err != nil {
			return err
		}
		loop, err := cluster.New(cluster.Config{
			Self: cluster.Node{ID: nodeID(i)}, Store: store, Clock: lease.Boottime, Observe: w.observe, Abort: abort,
			Runners: map[string]cluster.Runner{"nothing": nothing{}},
		})
		if err != nil {
			return errors.Join(err, store.Close())
		}
		group.Go(func() {
			defer store.Close()
			_ = loop.Run(leave) // it ends when told to
		})
	}
	select {
	case <-w.all:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hold resources: %d of %d: %w", w.started, s.n, ctx.Err())
	}
}

// witness notes when claiming began and ended.
type witness struct {
	mu            sync.Mutex
	first, last   time.Time
	want, started int
	lost          int
	all           chan struct{}
}

func (w *witness) observe(e cluster.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Type {
	case cluster.BidsSent:
		if w.first.IsZero() {
			w.first = e.Time
		}
	case cluster.BidLost:
		w.lost++
	case cluster.Started:
		if w.started++; w.started == w.want {
			w.last = e.Time
			close(w.all)
		}
	}
}

// nothing is a kind that is held by waiting.
type nothing struct{}

func (nothing) Check(json.RawMessage) error { return nil }

func (nothing) Run(ctx context.Context, _ cluster.Claim) error {
	<-ctx.Done()
	return nil
}
