//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
)

// part is one thing to measure.
type part struct {
	name    string
	once    bool // with one number of resources only
	measure func(context.Context, *stage) ([]row, error)
}

var parts = []part{
	{"claims", false, claims},
	{"kill", false, killWorker},
	{"lost", true, killBoth},
	{"leave", true, leave},
	{"pause", true, pauseWorker},
	{"join", true, join},
	{"rolling", true, rolling},
	{"memory", false, memory},
}

func names() []string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return all
}

// killWorker: the supervisor gives the leases back.
func killWorker(ctx context.Context, s *stage) ([]row, error) {
	goal := 1.0
	if s.n > 1000 {
		goal = 1.5
	}
	return s.crash(ctx, "kill -9 of a worker", goal, func(n *fleet.Node) error {
		n.Worker.Kill()
		return nil
	})
}

// killBoth: as with the loss of a machine, the leases expire.
func killBoth(ctx context.Context, s *stage) ([]row, error) {
	return s.crash(ctx, "kill -9 of worker and supervisor", (s.b.ttl + 2*time.Second).Seconds(), func(n *fleet.Node) error {
		n.Supervisor.Kill()
		n.Worker.Kill()
		return nil
	})
}

// pauseWorker: the supervisor ends it before etcd can give its resources to others.
func pauseWorker(ctx context.Context, s *stage) ([]row, error) {
	return s.crash(ctx, "SIGSTOP of a worker", (s.b.ttl + 2*time.Second).Seconds(), func(n *fleet.Node) error {
		return n.Worker.Stop(ctx)
	})
}

// crash measures from the cause: when each of the victim's resources was connected to anew.
func (s *stage) crash(ctx context.Context, what string, goal float64, cause func(*fleet.Node) error) ([]row, error) {
	if err := s.populate(ctx); err != nil {
		return nil, err
	}
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
	return []row{
		seconds(fmt.Sprintf("%s → all its %d open elsewhere", what, held[victim.ID]), s.n, percentile(late, 1)).atMost(goal),
		seconds("  p99", s.n, percentile(late, 0.99)),
		seconds("  median", s.n, percentile(late, 0.5)),
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
	longest := seconds(fmt.Sprintf("%s, %d moves: longest time without a connection", what, len(gaps)), s.n, percentile(gaps, 1))
	if goal > 0 {
		longest = longest.atMost(goal)
	}
	return []row{longest, seconds("  p99", s.n, percentile(gaps, 0.99)), seconds("  median", s.n, percentile(gaps, 0.5))}, nil
}

// percentile returns the least value that a share of all are not above; 0 when there are none.
func percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(share*float64(len(values))), len(values)-1)]
}
