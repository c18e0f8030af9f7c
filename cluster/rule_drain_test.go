package cluster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// stranded has a node drained whose writes all fail from its first hand-off on, until what it has stopped waits to be handed off
// anew. mend lets its writes through again.
func stranded(s *sim) (mend func()) {
	s.putAll(20)
	w := &tamper{}
	s.start("a", tampered(w))
	s.start("b")
	s.settle(10 * time.Second)
	time.Sleep(10 * time.Second)
	failing := false
	w.set(func() {
		w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			w.mu.Lock()
			failing = failing || slices.ContainsFunc(ops, isHandOff)
			fails := failing && slices.ContainsFunc(ops, func(op cluster.Op) bool { return op.Path != "" })
			w.mu.Unlock()
			if fails {
				return cluster.Answer{}, errUnknown
			}
			return w.Store.Commit(ctx, ops)
		}
	})
	s.memory.Put(cluster.CordonPath("a"), drain)
	time.Sleep(10 * time.Second)
	s.require(s.counts()["a"] == 0 && s.counts()["b"] == 10, "before it was mended these were held: %v", s.counts())
	return func() { w.set(func() { w.commit = nil }) }
}

// A drain is undone while what it has stopped waits to be handed off: it is run where it is.
func TestADrainUndoneStrandsNothing(t *testing.T) {
	play(t, func(s *sim) {
		mend := stranded(s)
		s.memory.Delete(cluster.CordonPath("a"))
		time.Sleep(100 * time.Millisecond)
		mend()
		s.settle(5 * time.Second)
		s.require(s.counts()["a"] == 10, "these are held: %v", s.counts())
	})
}

// The node to which all was to go dies in the midst of a drain: what has stopped for it is run where it is.
func TestADrainWithoutATargetStrandsNothing(t *testing.T) {
	play(t, func(s *sim) {
		mend := stranded(s)
		s.crash("b", true)
		time.Sleep(100 * time.Millisecond)
		mend()
		held := func() int { return s.counts()["a"] }
		for began := time.Now(); held() < 10 && time.Since(began) < 5*time.Second; {
			time.Sleep(10 * time.Millisecond)
		}
		s.require(held() == 10, "a runs %d of the 10 that it holds and nobody else can take", held())
	})
}

// A claim lands on a node that is being drained while the others take nothing: it is run where it is until they do.
func TestADrainWaitsWithoutAGap(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(2500)
		s.start("a")
		s.settle(10 * time.Second)
		hole := &tamper{}
		hole.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
			if ops[0].Path == "" {
				return cluster.Answer{}, errUnknown
			}
			return hole.Store.Commit(ctx, ops)
		}
		s.start("b", tampered(hole))
		s.memory.Put(cluster.CordonPath("a"), drain)
		time.Sleep(time.Minute)
		held := s.counts()["a"]
		s.require(held == 1500, "a runs %d beside the 1,000 that were given to a node that starts nothing", held)
		claims := s.memory.List("claims/")
		own := claims[slices.IndexFunc(claims, func(r cluster.Record) bool { return string(r.Value) == `{"node":"a"}` })].Lease
		claim := cluster.Op{Path: cluster.ClaimPath(resource(2500)), Value: []byte(`{"node":"a","from":"c"}`), Lease: own}
		if _, err := s.memory.Client("c").Commit(t.Context(), []cluster.Op{claim}); err != nil {
			s.fail(err.Error())
		}
		s.put(resource(2500), "{}")
		time.Sleep(5 * time.Second)
		s.require(s.counts()["a"] == held+1, "a runs %d, and not what landed on it", s.counts()["a"])
		hole.set(func() { hole.commit = nil })
		s.watch("a is drained", drained("a"))
		s.settle(10 * time.Second)
	})
}
