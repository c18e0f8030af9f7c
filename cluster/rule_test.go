package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// play acts one scene: a few nodes to which one thing happens that a simulation meets too seldom. What each scene catches,
// when which rule is broken, is in docs/faults.md.
func play(t *testing.T, scene func(s *sim)) { playSeed(t, 1, scene) }

func playSeed(t *testing.T, seed uint64, scene func(s *sim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, seed)
		scene(s)
		s.end()
	})
}

// tamper is a way to the store on which single requests are held up. Whatever is nil goes through.
type tamper struct {
	cluster.Store
	mu     sync.Mutex
	commit func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) // guarded by mu, as are these
	grant  func(id cluster.LeaseID) error
	revoke func(id cluster.LeaseID) error
	renew  func(id cluster.LeaseID) bool // whether the renewal goes through
}

var errUnknown = errors.New("no answer: the outcome is unknown")

// tampered puts a tamper between a node and the store.
func tampered(w *tamper) func(*cluster.Config) {
	return func(cfg *cluster.Config) { w.Store, cfg.Store = cfg.Store, w }
}

// set changes what is held up.
func (w *tamper) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *tamper) Commit(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
	w.mu.Lock()
	f := w.commit
	w.mu.Unlock()
	if f != nil {
		return f(ctx, ops)
	}
	return w.Store.Commit(ctx, ops)
}

func (w *tamper) Grant(ctx context.Context, id cluster.LeaseID, ttl time.Duration) (time.Duration, error) {
	w.mu.Lock()
	f := w.grant
	w.mu.Unlock()
	if f != nil {
		if err := f(id); err != nil {
			return 0, err
		}
	}
	return w.Store.Grant(ctx, id, ttl)
}

func (w *tamper) Revoke(ctx context.Context, id cluster.LeaseID) error {
	w.mu.Lock()
	f := w.revoke
	w.mu.Unlock()
	if f != nil {
		if err := f(id); err != nil {
			return err
		}
	}
	return w.Store.Revoke(ctx, id)
}

func (w *tamper) Renew(ctx context.Context, ids []cluster.LeaseID, ack func(cluster.Ack)) error {
	w.mu.Lock()
	f := w.renew
	w.mu.Unlock()
	if f == nil {
		return w.Store.Renew(ctx, ids, ack)
	}
	var kept []cluster.LeaseID
	for _, id := range ids {
		if f(id) {
			kept = append(kept, id)
		}
	}
	return w.Store.Renew(ctx, kept, ack)
}

// catch holds up the first request that has an op of the sort asked for, and answers that its outcome is unknown. caught
// is closed then; deliver sends the request after all.
func (w *tamper) catch(which func(cluster.Op) bool) (caught <-chan struct{}, deliver func()) {
	var mu sync.Mutex
	var held []cluster.Op
	done := make(chan struct{})
	w.set(func() {
		w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, op := range ops {
				if held == nil && which(op) {
					held = ops
					close(done)
					return cluster.Answer{}, errUnknown
				}
			}
			return w.Store.Commit(ctx, ops)
		}
	})
	return done, func() {
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Store.Commit(context.Background(), held) // whoever sent it does not listen any more
	}
}

// number is that of a lease among those of its term: 0 is the node lease.
func number(id cluster.LeaseID) int { return int(id & 0xffff) }

// Hand-offs say who they are from, bids whose the claim is to be, and releases delete it.
func isHandOff(op cluster.Op) bool {
	var claim cluster.ClaimValue
	return json.Unmarshal(op.Value, &claim) == nil && claim.From != ""
}

func isBid(op cluster.Op) bool {
	place, err := cluster.ParsePath(op.Path)
	return err == nil && place.Family == "claims" && !op.Delete && !isHandOff(op)
}

func isRelease(op cluster.Op) bool {
	place, err := cluster.ParsePath(op.Path)
	return err == nil && place.Family == "claims" && op.Delete
}
