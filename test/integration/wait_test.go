//go:build linux

package integration

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/test/fleet"
	"github.com/drm-cluster/drm/test/recorder"
)

// wait returns once cond holds for what the recorder has seen; it fails the test when that takes too long.
func (w *world) wait(what string, cond func(recorder.Record) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	if err := w.rec.Wait(ctx, cond); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// allHeld returns once each of n resources has a connection, and none has two.
func (w *world) allHeld(n int) {
	w.t.Helper()
	w.wait(fmt.Sprintf("%d resources held", n), func(r recorder.Record) bool { return r.Held == n && r.Open == n })
}

// reopened returns once each of these connections has a successor, all resources are held, and logs the longest gap.
func (w *world) reopened(lost []recorder.Conn, all int, since time.Time) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	err := w.rec.Wait(ctx, func(r recorder.Record) bool {
		if r.Held != all || r.Open != all {
			return false
		}
		last := w.rec.Record().Last()
		for _, c := range lost {
			if last[c.Resource].Epoch <= c.Epoch {
				return false
			}
		}
		return true
	})
	if err != nil {
		w.t.Fatalf("%d connections reopened: %v", len(lost), err)
	}
	w.logGaps(since)
}

// logGaps tells how long resources had no connection.
func (w *world) logGaps(since time.Time) {
	w.t.Helper()
	gaps := w.rec.Record().Gaps(since)
	if len(gaps) == 0 {
		w.t.Log("no connection was opened anew")
		return
	}
	w.t.Logf("%d connections opened anew; without one for %v at most, %v in the middle; the last %v after the cause",
		len(gaps), gaps[0].Length.Round(time.Millisecond), gaps[len(gaps)/2].Length.Round(time.Millisecond),
		lastEnd(gaps).Sub(since).Round(time.Millisecond))
}

func lastEnd(gaps []recorder.Gap) time.Time {
	var last time.Time
	for _, g := range gaps {
		if end := g.From.Add(g.Length); end.After(last) {
			last = end
		}
	}
	return last
}

// heldBy returns the open connections whose claims are a node's.
func (w *world) heldBy(node string) []recorder.Conn {
	w.t.Helper()
	claims, err := w.Claims(w.ctx)
	w.must(err)
	var conns []recorder.Conn
	for id, c := range w.rec.Record().Last() {
		if claim := claims[key(id)]; c.Open() && claim.Node == node && claim.Epoch == c.Epoch {
			conns = append(conns, c)
		}
	}
	if len(conns) == 0 {
		w.t.Fatalf("node %s holds nothing", node)
	}
	return conns
}

// balanced waits until the claims are spread over nodes so that no two differ by more than one.
func (w *world) balanced(nodes, resources int) {
	w.t.Helper()
	w.eventually("even spread", func() (bool, string) {
		held, err := w.Held(w.ctx)
		w.must(err)
		least, most, sum := resources, 0, 0
		for _, n := range held {
			least, most, sum = min(least, n), max(most, n), sum+n
		}
		return len(held) == nodes && sum == resources && most-least <= 1, fmt.Sprint(held)
	})
	w.allHeld(resources)
}

// whole is what a node tells of the whole cluster.
type whole struct {
	Held  int
	Nodes []struct {
		ID, State string
		Held      int
	}
	Pending  map[string]struct{ Count int }
	Examples []struct{ Kind, ID, Reason, Detail string }

	Malformed []malformed
}

type malformed struct{ Path, Error string }

func (w *world) ask(n *fleet.Node) (info whole) {
	w.t.Helper()
	w.must(n.Get(w.ctx, "/v1/cluster", &info))
	return info
}

// eventually asks again and again, where nothing tells of the moment: what nodes say of themselves over HTTP, and sums
// over many keys.
func (w *world) eventually(what string, cond func() (ok bool, now string)) {
	w.t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		ok, now := cond()
		if ok {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			w.t.Fatalf("%s: not within %v; now: %s", what, within, now)
		}
	}
}

// deleted returns once a key of the cluster is gone.
func (w *world) deleted(path string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	response, err := w.Client.Get(ctx, w.Prefix+path)
	w.must(err)
	if len(response.Kvs) == 0 {
		return
	}
	watch := w.Client.Watch(ctx, w.Prefix+path, clientv3.WithRev(response.Header.Revision+1), clientv3.WithFilterPut())
	for answer := range watch {
		if len(answer.Events) > 0 {
			return
		}
	}
	w.t.Fatalf("%s was not deleted", path)
}

// ended returns once a process that is no child of ours has ended.
func (w *world) ended(p *fleet.Process) {
	w.t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.Ended():
	case <-late.C:
		w.t.Fatalf("process %d still runs after %v", p.PID, within)
	}
}

// left checks that a node has ended, with a code, and its worker with it.
func (w *world) left(n *fleet.Node, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, within)
	defer cancel()
	got, err := n.End(ctx)
	w.must(err)
	if got != code {
		w.t.Errorf("node %s ended with code %d, want %d\n%s", n.ID, got, code, n.Tail())
	}
	if n.Worker != nil && n.Worker.Running() {
		w.t.Errorf("node %s has ended, its worker %d has not", n.ID, n.Worker.PID)
	}
}
