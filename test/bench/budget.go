//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/recorder"
)

// The limit that resources share, as their specs say it and in figures.
const (
	limitField = `{"group": "bench", "rate": "100/s", "burst": 50}`
	limitRate  = 100
	limitBurst = 50
)

// budget: nearly all resources of a group that has a connect_limit are on the node that dies, so that they come to the two others at once.
func budget(ctx context.Context, s *stage) ([]row, error) {
	if err := s.start(ctx, []string{fmt.Sprintf("--weight=%d", cluster.MaxWeight)}, []string{"--weight=1"}); err != nil {
		return nil, err
	}
	specs := map[string]string{}
	for i := range s.n {
		id := fmt.Sprintf("r%d", i)
		specs[cluster.ResourcePath(cluster.Key{Kind: "websocket", ID: id})] = fmt.Sprintf(`{"url": %q, "connect_limit": %s}`,
			recorder.URL(s.seen.Address, id), limitField)
	}
	filled := time.Now()
	if err := s.PutAll(ctx, specs); err != nil {
		return nil, err
	}
	if err := s.held(ctx, 0); err != nil {
		return nil, err
	}
	victim := s.Nodes()[0]
	if err := s.tally(ctx, victim); err != nil {
		return nil, err
	}
	held, err := s.Held(ctx)
	if err != nil {
		return nil, err
	}
	before, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	killed := time.Now()
	victim.Worker.Kill()
	if err := s.held(ctx, before.Ever+held[nodeID(0)]); err != nil {
		return nil, err
	}
	record, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	moved := record.Since(killed)
	took := last(moved).Sub(killed)
	ideal := time.Duration(max(0, len(moved)-limitBurst)) * time.Second / limitRate
	return []row{
		count(fmt.Sprintf("as nodes start (100/s, burst 50, %s in all): most connections in any second", last(before.Conns).Sub(filled).Round(time.Second)),
			s.n, float64(busiest(before.Conns)), "").atMost(limitRate + limitBurst),
		count("kill -9 of the worker that held nearly all: most connections in any second", len(moved), float64(busiest(moved)), "").atMost(limitRate + limitBurst),
		seconds("  all of them open elsewhere", len(moved), took),
		seconds("  the limit alone asks for", len(moved), ideal),
	}, nil
}

// busiest returns the most connections that were opened within a second.
func busiest(conns []recorder.Conn) int {
	var opened []time.Time
	for _, c := range conns {
		opened = append(opened, c.Opened)
	}
	slices.SortFunc(opened, time.Time.Compare)
	most, from := 0, 0
	for to := range opened {
		for opened[to].Sub(opened[from]) >= time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

func last(conns []recorder.Conn) time.Time {
	var latest time.Time
	for _, c := range conns {
		if c.Opened.After(latest) {
			latest = c.Opened
		}
	}
	return latest
}
