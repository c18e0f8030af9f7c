//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/measure"
	"github.com/drm-cluster/drm/test/fleet"
)

const (
	// posters is how many requests the plain program has under way at a time: as many as a node to one host, at the most.
	posters = 256
	// each is how many events a webhook is given to deliver as fast as it can.
	each = 50
)

// deliveries compares one node that delivers what has gathered with the plainest program that calls the same receiver as often; and
// tells how late events are at half of that node's rate.
func deliveries(ctx context.Context, h *hooks) ([]row, error) {
	plain, plainUse, err := h.plain(ctx, each*h.n)
	if err != nil {
		return nil, err
	}
	own, use, err := h.guarded(ctx, each*h.n)
	if err != nil {
		return nil, err
	}
	if err := h.to.reset(ctx); err != nil {
		return nil, err
	}
	n, err := h.load.trickle(ctx, own.Value/2, h.n, 10*time.Second)
	if err != nil {
		return nil, err
	}
	half, err := h.to.came(ctx, n)
	if err != nil {
		return nil, err
	}
	lag := measure.SpreadOf(half.Lags)
	return []row{
		own, plain.against(own), count("  deliveries / plain POSTs", h.n, own.Value/plain.Value, "").atLeast(0.5),
		use, plainUse.against(use),
		seconds(fmt.Sprintf("delivery lag at half of that, %.0f events a second: from before an event is published to its POST, p50", own.Value/2), h.n, lag.P50),
		seconds("  p99", h.n, lag.P99),
		seconds("  longest", h.n, lag.Max),
	}, nil
}

// guarded has one node deliver what was published before it started, and tells how fast that went and what it used.
func (h *hooks) guarded(ctx context.Context, posts int) (rate, use row, err error) {
	if err := h.load.fill(ctx, posts, h.n); err != nil {
		return rate, use, err
	}
	if err := h.put(ctx); err != nil {
		return rate, use, err
	}
	node, err := h.Start(ctx, nodeID(0))
	if err != nil {
		return rate, use, err
	}
	all, err := h.to.came(ctx, posts)
	if err != nil {
		return rate, use, err
	}
	what := fmt.Sprintf("guarded deliveries, effectively_once, 1 KiB, one node; %d at a time at the most", all.Most)
	return perSecond(what, h.n, posts, all.Last.Sub(all.First)), usage("  the node's processor time for each", h.n, posts, node.Worker.PID), nil
}

// plain has the plain program call the receiver so often.
func (h *hooks) plain(ctx context.Context, posts int) (rate, use row, err error) {
	poster, err := startHelper(rolePoster, h.to.address, fmt.Sprint(posters), fmt.Sprint(posts))
	if err != nil {
		return rate, use, err
	}
	defer poster.close()
	all, err := h.to.came(ctx, posts)
	if err != nil {
		return rate, use, err
	}
	what := fmt.Sprintf("a loop of plain POSTs to the same receiver; %d at a time at the most", all.Most)
	use = usage("  the plain program's processor time for each", h.n, posts, poster.cmd.Process.Pid)
	return perSecond(what, h.n, posts, all.Last.Sub(all.First)), use, h.to.reset(ctx)
}

// usage tells how much processor time a process has used, for each thing done.
func usage(what string, n, done, pid int) row {
	return count(what, n, float64(fleet.ProcessorTime(pid).Microseconds())/float64(done), "µs")
}

// idleHooks: what webhooks cost for which nothing is published.
func idleHooks(ctx context.Context, h *hooks) ([]row, error) {
	const span = 15 * time.Second
	if _, err := h.Start(ctx, nodeID(0)); err != nil {
		return nil, err
	}
	if err := calm(ctx, idle); err != nil {
		return nil, err
	}
	empty := h.rss()
	if err := h.put(ctx); err != nil {
		return nil, err
	}
	if err := h.claimed(ctx); err != nil {
		return nil, err
	}
	if err := calm(ctx, idle); err != nil {
		return nil, err
	}
	full := h.rss()
	before, err := h.Client.Get(ctx, h.Prefix)
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	if err := calm(ctx, span); err != nil {
		return nil, err
	}
	after, err := h.Client.Get(ctx, h.Prefix)
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	return []row{
		count(fmt.Sprintf("idle webhooks: writes to etcd in %v", span), h.n, float64(after.Header.Revision-before.Header.Revision), "").exactly(0),
		count("  memory of each, on its holder", h.n, float64(full-empty)/float64(h.n)/(1<<10), "KiB"),
	}, nil
}

func (h *hooks) rss() (sum int64) {
	for _, n := range h.Nodes() {
		sum += n.Supervisor.RSS() + n.Worker.RSS()
	}
	return sum
}
