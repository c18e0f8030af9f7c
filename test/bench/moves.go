//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/measure"
)

// moves: a fourth node joins, and leaves again. How long a resource is without a runner while it is handed off is measured by the
// runners themselves, from the end of the one to the beginning of the next: there is nothing to stop and nothing to dial.
func moves(ctx context.Context, s *inside) ([]row, error) {
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	began, filled := time.Now(), s.Ever()
	if err := s.Start(cluster.Node{ID: "n4"}); err != nil {
		return nil, err
	}
	if err := s.even(ctx, nodes+1); err != nil {
		return nil, err
	}
	if err := calm(ctx, 3*time.Second); err != nil { // anything that moves now moves in vain
		return nil, err
	}
	joined, spread := s.Ever(), s.spread(nodes+1)
	leftAt := time.Now()
	held := s.Held("n4")
	if err := s.Leave(ctx, "n4"); err != nil {
		return nil, err
	}
	took := time.Since(leftAt)
	if err := calm(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	join, leave := joined-filled, s.Ever()-joined
	gaps := measure.SpreadOf(s.Gaps(joined))
	if err := s.b.draw("balance", func() chart { return balanceChart(s.Since(0), began, leftAt) }); err != nil {
		return nil, err
	}
	return []row{
		count(fmt.Sprintf("join of a fourth node: moves (%d) beyond the least possible", join), s.n, float64(join-s.n/(nodes+1)), "").exactly(0),
		count("  most of a node less least of one", s.n, float64(spread), "").atMost(1),
		count(fmt.Sprintf("its leave: moves (%d) beyond the least possible", leave), s.n, float64(leave-held), "").exactly(0),
		count("  most of a node less least of one", s.n, float64(s.spread(nodes)), "").atMost(1),
		seconds("  it had left after", s.n, took),
		seconds(fmt.Sprintf("hand-off, %d in all: time without a runner, p99", gaps.Count), s.n, gaps.P99).atMost(0.05),
		seconds("  longest", s.n, gaps.Max),
		seconds("  median", s.n, gaps.P50),
	}, nil
}

// spread returns by how much what nodes hold differs.
func (s *inside) spread(nodes int) int {
	least, most := s.n, 0
	for i := range nodes {
		held := s.Held(nodeID(i))
		least, most = min(least, held), max(most, held)
	}
	return most - least
}
