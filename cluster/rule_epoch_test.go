package cluster_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// A hand-off whose outcome is unknown is done late, or was done though nobody was told.
func TestALateHandOff(t *testing.T) {
	begin := func(s *sim, spec string) (a *simNode, w *tamper) {
		for i := range 4 {
			s.put(resource(i), spec)
		}
		w = &tamper{}
		a = s.start("a", tampered(w))
		time.Sleep(5 * time.Second)
		return a, w
	}
	t.Run("of what ran on", func(t *testing.T) {
		play(t, func(s *sim) {
			_, w := begin(s, "{}")
			caught, deliver := w.catch(isHandOff)
			s.start("b")
			<-caught
			time.Sleep(2 * time.Second)
			s.settle(0)
			deliver()
			time.Sleep(5 * time.Second)
			s.settle(5 * time.Second)
		})
	})
	t.Run("of what had not run", func(t *testing.T) {
		play(t, func(s *sim) {
			_, w := begin(s, `{"invalid":true}`)
			caught, deliver := w.catch(isHandOff)
			s.start("b")
			<-caught
			s.memory.Put(cluster.CordonPath("b"), "{}") // or it would be sent again; this does not touch what guards it
			for i := range 4 {
				s.put(resource(i), "{}")
			}
			s.settle(5 * time.Second)
			deliver()
			time.Sleep(5 * time.Second)
			s.memory.Delete(cluster.CordonPath("b"))
			s.settle(15 * time.Second)
		})
	})
	t.Run("that was done", func(t *testing.T) {
		play(t, func(s *sim) {
			a, w := begin(s, "{}")
			s.start("b")
			var done atomic.Bool
			w.set(func() {
				w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
					answer, err := w.Store.Commit(ctx, ops)
					if isHandOff(ops[0]) && done.CompareAndSwap(false, true) {
						a.network(clustertest.Network{Watch: clustertest.Span{Min: 2 * time.Second, Max: 2 * time.Second}})
						return cluster.Answer{}, errors.Join(errUnknown, err)
					}
					return answer, err
				}
			})
			time.Sleep(10 * time.Second)
			s.require(done.Load(), "nothing was handed off")
			a.network(clustertest.Network{})
			s.settle(5 * time.Second)
		})
	})
}

// A release whose outcome is unknown is done late, when the resource is wanted again.
func TestALateRelease(t *testing.T) {
	for name, spec := range map[string]string{"of what had run": "{}", "of what had not run": `{"invalid":true}`} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *sim) {
				s.put(resource(0), spec)
				w := &tamper{}
				s.start("a", tampered(w))
				time.Sleep(5 * time.Second)
				caught, deliver := w.catch(isRelease)
				s.put(resource(0), `{"paused":true}`)
				<-caught
				s.put(resource(0), "{}") // before it is sent again
				time.Sleep(2 * time.Second)
				deliver()
				time.Sleep(2 * time.Second)
				s.settle(20 * time.Second)
			})
		})
	}
}

// The answer to a bid comes when the watch has long told that the claim went again.
func TestAnAnswerThatTheWatchHasOvertaken(t *testing.T) {
	play(t, func(s *sim) {
		w := &tamper{}
		s.start("a", tampered(w))
		time.Sleep(2 * time.Second)
		var held atomic.Bool
		w.set(func() {
			w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
				answer, err := w.Store.Commit(ctx, ops)
				if ops[0].Path == cluster.ClaimPath(resource(0)) && !ops[0].Delete && held.CompareAndSwap(false, true) {
					time.Sleep(3 * time.Second)
				}
				return answer, err
			}
		})
		s.put(resource(0), "{}")
		time.Sleep(500 * time.Millisecond)
		s.require(held.Load(), "nothing was bid")
		s.put(resource(0), `{"paused":true}`)
		time.Sleep(1500 * time.Millisecond)
		_, there := s.memory.Get(cluster.ClaimPath(resource(0)))
		s.require(!there, "the claim was not released")
		s.put(resource(0), "{}")
		time.Sleep(2 * time.Second)
		s.check()
		s.settle(15 * time.Second)
	})
}

// A rewrite whose outcome is unknown is done late, after another one.
func TestALateRewrite(t *testing.T) {
	play(t, func(s *sim) {
		s.put(resource(0), "{}")
		w := &tamper{}
		s.start("a", tampered(w))
		s.settle(5 * time.Second)
		caught, deliver := w.catch(isBid)
		s.put(resource(0), `{"n":2}`)
		<-caught
		time.Sleep(2 * time.Second)
		s.settle(0)
		deliver()
		time.Sleep(2 * time.Second)
		s.settle(5 * time.Second)
	})
}

// A bid whose outcome is unknown was made all the same.
func TestALateBid(t *testing.T) {
	play(t, func(s *sim) {
		w := &tamper{}
		s.start("a", tampered(w))
		caught, deliver := w.catch(isBid)
		s.put(resource(0), "{}")
		<-caught
		time.Sleep(100 * time.Millisecond) // a moment later it would be sent again
		deliver()
		s.settle(5 * time.Second)
	})
}

// What was removed while the watch was silent is found by a listing alone.
func TestADeletionFoundByListing(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(2)
		a := s.start("a")
		s.settle(5 * time.Second)
		a.network(clustertest.Network{StallWatch: true})
		s.remove(resource(0))
		s.memory.Compact()
		a.network(clustertest.Network{})
		s.settle(3 * time.Second)
	})
}

// Somebody writes a claim anew on the same lease, and a listing is the first to tell.
func TestAForeignPutFoundByListing(t *testing.T) {
	play(t, func(s *sim) {
		s.put(resource(0), "{}")
		a := s.start("a")
		s.settle(5 * time.Second)
		a.network(clustertest.Network{StallWatch: true})
		path := cluster.ClaimPath(resource(0))
		s.ledger.meddle(func() []cluster.Key {
			claim, _ := s.memory.Get(path)
			op := cluster.Op{Path: path, Value: claim.Value, Lease: claim.Lease}
			if _, err := s.memory.Client("operator").Commit(t.Context(), []cluster.Op{op}); err != nil {
				t.Error(err)
			}
			return []cluster.Key{resource(0)}
		})
		s.memory.Compact()
		a.network(clustertest.Network{Request: clustertest.Span{Max: 2 * time.Millisecond}})
		time.Sleep(5 * time.Second)
		claim, _ := s.memory.Get(path)
		s.require(s.ledger.epochs()[resource(0)] == claim.Rev, "it was not run again under its new epoch")
	})
}

// A hand-off is slow, and meanwhile its target begins to leave.
func TestAHandOffToALeaver(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(4)
		slow, keeps := &tamper{}, &tamper{}
		s.start("a", tampered(slow))
		time.Sleep(5 * time.Second)
		begun := make(chan struct{})
		begin := sync.OnceFunc(func() { close(begun) })
		slow.set(func() {
			slow.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
				if isHandOff(ops[0]) {
					begin()
					time.Sleep(2 * time.Second)
				}
				return slow.Store.Commit(ctx, ops)
			}
		})
		keeps.revoke = func(cluster.LeaseID) error { return errUnknown }
		s.start("b", tampered(keeps))
		<-begun
		s.shutdown("b")
		time.Sleep(5 * time.Second)
		s.settle(15 * time.Second)
	})
}

// A claim arrives on a lease that is lost, and that can't be revoked for a while.
func TestNothingStartsOnALostLease(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(4)
		w := &tamper{}
		s.memory.Put(cluster.CordonPath("a"), "{}")
		a := s.start("a", tampered(w))
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(5 * time.Second)
		intake := cluster.LeaseID(0)
		for _, r := range s.memory.List("nodes/a") {
			intake = r.Lease + 2
		}
		w.set(func() {
			w.renew = func(id cluster.LeaseID) bool { return id != intake }
			w.revoke = func(cluster.LeaseID) error { return errUnknown }
			w.grant = func(cluster.LeaseID) error { return errUnknown }
		})
		time.Sleep(3200 * time.Millisecond)
		s.memory.Delete(cluster.CordonPath("a"))
		time.Sleep(3 * time.Second)
		s.check()
		for _, r := range s.memory.List("claims/") {
			if r.Lease == intake {
				s.note("%s is on the lost lease", r.Path)
			}
		}
		s.require(s.counts()["a"] == 0, "%d run on a lost lease", s.counts()["a"])
		w.set(func() { w.renew, w.revoke, w.grant = nil, nil, nil })
		s.settle(25 * time.Second)
		s.require(!s.ledger.isDead(a.process), "the process ended")
	})
}
