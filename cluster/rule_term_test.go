package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// terms returns how many terms a node has begun.
func (s *sim) terms(name string) int { return len(s.events(name, cluster.TermStarted)) }

func TestALostNodeKeyEndsTheTerm(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(5)
		s.start("a")
		s.settle(5 * time.Second)
		s.memory.Delete(cluster.NodePath("a"))
		time.Sleep(5 * time.Second)
		s.require(s.terms("a") == 2, "the node has not begun another term")
		s.settle(15 * time.Second)
	})
}

// A store comes back from a snapshot. As its operator should, we see to it that revisions go on from where they were.
func TestARestoredStoreEndsTheTerm(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		s.start("a")
		s.start("b")
		s.settle(5 * time.Second)
		old := s.memory.Snapshot()
		for i := range 5 {
			s.put(resource(i), `{"n":2}`)
		}
		time.Sleep(5 * time.Second)
		ended := s.memory.Rev()
		s.ledger.meddle(func() (all []cluster.Key) {
			s.memory.Restore(old)
			for s.memory.Rev() <= ended {
				s.memory.Put("bump", "")
			}
			for key := range s.specs {
				all = append(all, key)
			}
			return all
		})
		time.Sleep(5 * time.Second)
		for _, name := range []string{"a", "b"} {
			s.require(s.terms(name) == 2, "%s has not begun another term", name)
			reason := s.events(name, cluster.TermEnded)[0].Reason
			s.require(reason == "restored", "the term of %s ended because it was %s", name, reason)
		}
		s.settle(15 * time.Second)
	})
}

// What was claimed in an earlier term, and comes to light in a later one, is that term's: nobody renews its lease.
func TestAnEarlierTermsClaimsAreNotRun(t *testing.T) {
	play(t, func(s *sim) {
		w := &tamper{revoke: func(cluster.LeaseID) error { return errUnknown }}
		s.start("a", tampered(w))
		time.Sleep(2 * time.Second)
		caught, deliver := w.catch(isBid)
		s.put(resource(0), "{}")
		<-caught // it is not to be sent again
		s.memory.Put(cluster.CordonPath("a"), "{}")
		s.memory.Delete(cluster.NodePath("a"))
		time.Sleep(2 * time.Second)
		s.require(s.terms("a") == 2, "the node has not begun another term")
		deliver()
		_, there := s.memory.Get(cluster.ClaimPath(resource(0)))
		s.require(there, "the late claim was not made")
		time.Sleep(8 * time.Second)
		s.require(len(s.ledger.heldBy()) == 0, "it ran on an earlier term's claim")
		s.memory.Delete(cluster.CordonPath("a"))
		s.settle(15 * time.Second)
	})
}

// outcome waits until a node's Run has returned, and returns what with.
func (s *sim) outcome(n *simNode, within time.Duration) error {
	select {
	case <-n.ended:
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.err
	case <-time.After(within):
		return context.DeadlineExceeded
	}
}

// second starts another process under the id of one that runs, and returns the first as well.
func (s *sim) second(name string, verdict cluster.Verdict) (first, second *simNode) {
	first = s.nodes[name]
	second = s.start(name, func(cfg *cluster.Config) {
		cfg.Judge = func(cluster.Life) cluster.Verdict { return verdict }
	})
	s.nodes[name] = first
	return first, second
}

func TestASecondProcessIsRefused(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(5)
		s.start("a")
		s.settle(5 * time.Second)
		_, second := s.second("a", cluster.Alive)
		err := s.outcome(second, time.Second)
		s.require(errors.Is(err, cluster.ErrDuplicate) && strings.Contains(fmt.Sprint(err), "a:7376"), "it was not refused, by address: %v", err)
		s.settle(0)
	})
}

// From where nobody can tell whether the other process lives, it is left alone; when its lease goes on, it lives.
func TestAnUnknownLifeIsNotBuried(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(5)
		s.start("a")
		s.settle(5 * time.Second)
		_, second := s.second("a", cluster.Unknown)
		time.Sleep(5 * time.Second)
		s.check()
		err := s.outcome(second, 20*time.Second)
		s.require(errors.Is(err, cluster.ErrDuplicate), "it was not refused: %v", err)
		s.settle(0)
	})
}

// A node that leaves gives nothing up that somebody else could have been handed.
func TestLeavingHandsEverythingOff(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		s.start("a")
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(5 * time.Second)
		held := s.counts()["a"]
		err := s.outcome(s.shutdown("a"), 5*time.Second)
		s.require(err == nil, "it has not left: %v", err)
		handed := len(s.events("a", cluster.HandedOff))
		s.require(handed == held, "%d of %d were handed off", handed, held)
		s.settle(longestGap)
	})
}

// A drain that gets nowhere is ended by a second signal.
func TestAbortEndsADrain(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		w := &tamper{}
		s.start("a", tampered(w))
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(5 * time.Second)
		w.set(func() {
			w.commit = func(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
				if isHandOff(ops[0]) {
					return cluster.Answer{}, errUnknown
				}
				return w.Store.Commit(ctx, ops)
			}
		})
		a := s.shutdown("a")
		err := s.outcome(a, 5*time.Second)
		s.require(errors.Is(err, context.DeadlineExceeded), "the drain ended by itself: %v", err)
		a.abort()
		err = s.outcome(a, 3*time.Second)
		s.require(err == nil, "it has not left: %v", err)
		s.settle(5 * time.Second)
	})
}
