//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/measure"
	"github.com/drm-cluster/drm/test/fleet"
)

// lopsided starts the nodes, puts the resources and returns when all are held, nearly all of them by the first node: what is
// measured is how long a dead node's resources take.
func (s *stage) lopsided(ctx context.Context) error {
	if err := s.start(ctx, []string{fmt.Sprintf("--weight=%d", cluster.MaxWeight)}, []string{"--weight=1"}); err != nil {
		return err
	}
	if err := s.put(ctx, s.seen.Address); err != nil {
		return err
	}
	return s.held(ctx, 0)
}

// killWorker: the supervisor gives the leases back.
func killWorker(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	return s.crashWorker(ctx, "kill -9 of a worker", "takeover")
}

// killHeavy: the same, when the worker held nearly all.
func killHeavy(ctx context.Context, s *stage) ([]row, error) {
	if err := s.lopsided(ctx); err != nil {
		return nil, err
	}
	return s.crashWorker(ctx, "kill -9 of a worker that held nearly all", "")
}

func (s *stage) crashWorker(ctx context.Context, what, picture string) ([]row, error) {
	goal := 1.0
	if s.n > 1000 {
		goal = 1.5
	}
	return s.crash(ctx, what, picture, goal, func(n *fleet.Node) error {
		n.Worker.Kill()
		return nil
	})
}

// killBoth: as with the loss of a machine, the leases expire.
func killBoth(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	return s.crash(ctx, "kill -9 of worker and supervisor", "takeover-lost", (s.b.ttl + 2*time.Second).Seconds(), func(n *fleet.Node) error {
		n.Supervisor.Kill()
		n.Worker.Kill()
		return nil
	})
}

// pauseWorker: the supervisor ends it before etcd can give its resources to others.
func pauseWorker(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	return s.crash(ctx, "SIGSTOP of a worker", "", (s.b.ttl + 2*time.Second).Seconds(), func(n *fleet.Node) error {
		return n.Worker.Stop(ctx)
	})
}

// crash measures from the cause: when each of the victim's resources was connected to anew. picture names the picture of it, "" for none.
func (s *stage) crash(ctx context.Context, what, picture string, goal float64, cause func(*fleet.Node) error) ([]row, error) {
	victim := s.Nodes()[0]
	held, err := s.Held(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.tally(ctx, victim); err != nil {
		return nil, err
	}
	before, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	if err := cause(victim); err != nil {
		return nil, err
	}
	if err := s.held(ctx, before.Ever+held[victim.ID]); err != nil {
		return nil, errors.Join(err, errors.New(victim.Tail()))
	}
	record, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	var late []time.Duration
	for _, c := range record.Since(at) {
		late = append(late, c.Opened.Sub(at))
	}
	spread := measure.SpreadOf(late)
	if err := s.b.draw(picture, func() chart { return takeoverChart(what, s.n, held[victim.ID], record, at) }); err != nil {
		return nil, err
	}
	return []row{
		seconds(fmt.Sprintf("%s → all its %d open elsewhere", what, held[victim.ID]), s.n, spread.Max).atMost(goal),
		seconds("  p99", s.n, spread.P99),
		seconds("  median", s.n, spread.P50),
	}, nil
}

// leave: SIGTERM to one node. The gap is from the end of a connection to the beginning of the next, dial included.
func leave(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	at, began := time.Now(), s.Nodes()[0]
	if err := s.tally(ctx, began); err != nil {
		return nil, err
	}
	code, err := began.Leave(ctx)
	if err != nil || code != 0 {
		return nil, errors.Join(err, fmt.Errorf("the node left with code %d\n%s", code, began.Tail()))
	}
	took := time.Since(at)
	if err := s.held(ctx, 0); err != nil {
		return nil, err
	}
	rows, err := s.gaps(ctx, "SIGTERM", at, 0.2)
	return append(rows, seconds("  the node had left after", s.n, took)), err
}

// join: a fourth node gets its share.
func join(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	at := time.Now()
	if _, err := s.Start(ctx, "n4"); err != nil {
		return nil, err
	}
	if err := s.balanced(ctx, nodes+1); err != nil {
		return nil, err
	}
	record, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	moves := map[string]int{}
	most := 0
	for _, c := range record.Since(at) {
		moves[c.Resource]++
		most = max(most, moves[c.Resource])
	}
	rows, err := s.gaps(ctx, "join of a fourth node", at, 0)
	return append(rows,
		count("  resources moved", s.n, float64(len(moves)), "").exactly(float64(s.n/(nodes+1))),
		count("  moves of one resource, at most", s.n, float64(most), "").exactly(1)), err
}

// rolling: each node is told to leave and started again, as an upgrade does it.
func rolling(ctx context.Context, s *stage) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
	at := time.Now()
	for _, node := range s.Nodes()[:nodes] {
		if err := s.tally(ctx, node); err != nil {
			return nil, err
		}
		node.Supervisor.Signal(syscall.SIGTERM)
		if code, err := node.End(ctx); err != nil || code != 0 {
			return nil, errors.Join(err, fmt.Errorf("node %s left with code %d\n%s", node.ID, code, node.Tail()))
		}
		if _, err := s.Start(ctx, node.ID); err != nil {
			return nil, err
		}
		if err := s.balanced(ctx, nodes); err != nil {
			return nil, err
		}
	}
	took := time.Since(at)
	rows, err := s.gaps(ctx, "rolling restart of all nodes", at, 0.2)
	return append(rows, seconds("  it took", s.n, took)), err
}

// gaps tells how long resources had no connection since a moment; a goal of 0 is none.
func (s *stage) gaps(ctx context.Context, what string, since time.Time, goal float64) ([]row, error) {
	record, err := s.seen.Record(ctx)
	if err != nil {
		return nil, err
	}
	var gaps []time.Duration
	for _, g := range record.Gaps(since) {
		gaps = append(gaps, g.Length)
	}
	spread := measure.SpreadOf(gaps)
	longest := seconds(fmt.Sprintf("%s, %d moves: longest time without a connection", what, len(gaps)), s.n, spread.Max)
	if goal > 0 {
		longest = longest.atMost(goal)
	}
	return []row{longest, seconds("  p99", s.n, spread.P99), seconds("  median", s.n, spread.P50)}, nil
}
