//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// putters is how many puts etcd's own client has under way at a time. With a thousand it is faster by a tenth.
const putters = 64

// claims compares how fast nodes claim with how fast etcd's own client puts as many keys of that size on leases.
func claims(ctx context.Context, s *inside) ([]row, error) {
	took, _, err := s.scratch.Puts(ctx, "raw", s.n, putters)
	if err != nil {
		return nil, err
	}
	puts := perSecond("etcd's own client: puts, 64 at a time, watched by nobody", s.n, s.n, took)
	if err := s.scratch.Resources(ctx, s.n); err != nil {
		return nil, err
	}
	if took, err = s.Filled(ctx, s.n, trio()...); err != nil {
		return nil, err
	}
	own := perSecond("claims by three nodes, from the first bid to the last runner started", s.n, s.n, took)
	rows := []row{
		own, puts.against(own), count("  claims / puts", s.n, own.Value/puts.Value, "").atLeast(4),
		count("  bids lost", s.n, s.lostShare(s.n), "%").atMost(5),
	}
	if err := s.Close(ctx); err != nil { // what is compared must not share the processor with it
		return nil, err
	}
	mutexes, err := s.mutexClaims(ctx, own)
	if err != nil {
		return nil, err
	}
	raced, err := s.raceClaims(ctx, own)
	return append(append(rows, mutexes...), raced...), err
}

// takeover has one node hold nearly everything, and lets it crash.
func takeover(ctx context.Context, s *inside) ([]row, error) {
	if err := s.scratch.Resources(ctx, s.n); err != nil {
		return nil, err
	}
	heavy := trio()
	heavy[0].Weight, heavy[1].Weight, heavy[2].Weight = cluster.MaxWeight, 1, 1
	if _, err := s.Filled(ctx, s.n, heavy...); err != nil {
		return nil, err
	}
	before := s.Lost()
	held, took, err := s.Crash(ctx, "n1")
	if err != nil {
		return nil, err
	}
	own := seconds(fmt.Sprintf("a dead node's %d claimed and started by two others, after its deletion is seen", held), s.n, took)
	goal := 0.5
	if s.n > 10_000 {
		goal = 3
	}
	lost := s.Lost() - before
	rows := []row{own.atMost(goal), count("  bids lost", s.n, 100*float64(lost)/float64(held+lost), "%").atMost(5)}
	if s.n > 10_000 {
		return rows, nil // the others take minutes
	}
	if err := s.Close(ctx); err != nil {
		return nil, err
	}
	rate := perSecond("  resources taken over in a second", s.n, held, took)
	mutexes, err := s.mutexTakeover(ctx, rate)
	if err != nil {
		return nil, err
	}
	raced, err := s.raceTakeover(ctx, rate)
	return append(append(append(rows, rate), mutexes...), raced...), err
}

func perSecond(what string, resources, done int, took time.Duration) row {
	return count(what, resources, float64(done)/took.Seconds(), "/s")
}
