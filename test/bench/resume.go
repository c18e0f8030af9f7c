//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/measure"
)

// backlog is how many undelivered events a holder leaves behind when it dies.
const backlog = 10_000

// resume: the holder dies with undelivered events, some of them on their way: what it has sent was answered by nobody.
func resume(ctx context.Context, h *hooks) ([]row, error) {
	if err := errors.Join(h.to.mute(ctx), h.put(ctx)); err != nil {
		return nil, err
	}
	first, err := h.Start(ctx, nodeID(0), fmt.Sprintf("--weight=%d", cluster.MaxWeight))
	if err != nil {
		return nil, err
	}
	if err := h.claimed(ctx); err != nil {
		return nil, err
	}
	if err := h.load.fill(ctx, backlog, h.n); err != nil {
		return nil, err
	}
	if _, err := h.Start(ctx, nodeID(1), "--weight=1"); err != nil {
		return nil, err
	}
	// No more than a client's connections carry; of the others the intent is on record.
	if _, err := h.to.came(ctx, min(4*h.n, posters)); err != nil {
		return nil, err
	}
	watching, stop := context.WithTimeout(ctx, within)
	defer stop()
	claims := h.Client.Watch(clientv3.WithRequireLeader(watching), h.Prefix+webhookClaims, clientv3.WithPrefix(), clientv3.WithFilterDelete())
	first.Worker.Kill()
	before, err := h.to.came(ctx, 0)
	if err == nil {
		err = h.to.unmute(ctx)
	}
	if err != nil {
		return nil, err
	}
	claimed := map[string]time.Time{}
	for len(claimed) < h.n {
		answer, open := <-claims
		if !open {
			return nil, fmt.Errorf("watch claims: %w", errors.Join(answer.Err(), watching.Err()))
		}
		for _, e := range answer.Events {
			claimed[runOf(path.Base(string(e.Kv.Key)), fmt.Sprint(e.Kv.ModRevision))] = time.Now()
		}
	}
	all, doubt, err := h.resumed(ctx, before.Posts)
	if err != nil {
		return nil, err
	}
	return h.resumeRows(all, doubt, before.Posts, claimed), nil
}

// resumed returns once all is delivered but what was on its way when its holder died: that is in doubt, and stays so. Some of it had
// arrived before.
func (h *hooks) resumed(ctx context.Context, before int) (all tally, doubt int, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for err == nil {
		if doubt, err = h.inDoubt(ctx); err != nil {
			break
		}
		if all, err = h.to.came(ctx, 0); err != nil || all.Posts-all.Twice+doubt-before == backlog {
			break
		}
		err = calm(ctx, 50*time.Millisecond) // two that move: when the last one came is known afterwards
	}
	return all, doubt, err
}

func (h *hooks) inDoubt(ctx context.Context) (n int, err error) {
	answer, err := h.Client.Get(ctx, h.Prefix+"state/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("read what is in doubt: %w", err)
	}
	for _, kv := range answer.Kvs {
		if strings.Contains(string(kv.Key), "/doubt/") {
			n++
		}
	}
	return n, nil
}

// resumeRows tells how long after its claim each webhook went on, and when all was done. A webhook of which nothing was left, or all
// in doubt, has no first POST.
func (h *hooks) resumeRows(all tally, doubt, before int, claimed map[string]time.Time) []row {
	var late []time.Duration
	began := all.Last
	for run, at := range claimed {
		if came, ok := all.Runs[run]; ok {
			late = append(late, came.Sub(at))
		}
		if at.Before(began) {
			began = at
		}
	}
	spread, took := measure.SpreadOf(late), all.Last.Sub(began)
	return []row{
		seconds(fmt.Sprintf("kill -9 of a holder with %d undelivered events: from the claim to the first POST, longest", backlog), h.n, spread.Max).atMost(1),
		seconds("  median", h.n, spread.P50),
		seconds(fmt.Sprintf("  from the first claim until all but %d in doubt were delivered", doubt), h.n, took),
		perSecond("  deliveries", h.n, all.Posts-before, took),
	}
}
