package cluster_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

func slowAnswers() clustertest.Network {
	return clustertest.Network{Answer: clustertest.Span{Min: time.Second, Max: time.Second}}
}

// Answers take a second, and then nothing is renewed: the ledger sees whether that second was trusted, after many renewals and
// after none, on leases whose trust comes from their grants.
func TestTrustCountsFromTheRequest(t *testing.T) {
	t.Run("renewals", func(t *testing.T) {
		play(t, func(s *sim) {
			s.putAll(5)
			a := s.start("a")
			s.settle(5 * time.Second)
			a.network(slowAnswers())
			time.Sleep(10 * time.Second)
			s.require(len(s.missing()) == 0, "slow answers ended runners: %v", s.missing())
			a.client.Adjust(func(n *clustertest.Network) { n.CutRequests = true }) // what was asked is answered
			time.Sleep(10 * time.Second)
			s.check()
		})
	})
	t.Run("grants", func(t *testing.T) {
		play(t, func(s *sim) {
			s.putAll(2500)
			w := &tamper{renew: func(id cluster.LeaseID) bool { return number(id) <= 2 }}
			s.start("a", tampered(w)).network(slowAnswers())
			time.Sleep(20 * time.Second)
			s.require(len(s.events("a", cluster.LostLease)) > 0, "nothing was claimed on a lease that was not renewed")
		})
	})
}

// One lease is not renewed while all others are: what is on it ends in time, and no more.
func TestALeaseLostAloneEndsWhatIsOnIt(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(5)
		w := &tamper{}
		a := s.start("a", tampered(w))
		s.settle(5 * time.Second)
		claim, _ := s.memory.Get(cluster.ClaimPath(resource(0)))
		w.set(func() { w.renew = func(id cluster.LeaseID) bool { return id != claim.Lease } })
		time.Sleep(6 * time.Second)
		s.require(len(s.ledger.heldBy()) == 0, "%d run on a lost lease", len(s.ledger.heldBy()))
		s.require(!s.ledger.isDead(a.process) && len(s.events("a", cluster.TermEnded)) == 0, "the process ended for one lease")
		s.settle(20 * time.Second)
	})
}

// A runner that does not return takes its process with it before others may have what it held.
func TestAHangingRunnerEndsTheProcess(t *testing.T) {
	play(t, func(s *sim) {
		s.put(resource(0), `{"hangs":true}`)
		var exited atomic.Bool
		a := s.start("a", func(cfg *cluster.Config) {
			exit := cfg.Exit
			cfg.Exit = func(err error) { exited.Store(true); exit(err) }
		})
		s.settle(5 * time.Second)
		a.mayExit.Store(true)
		a.client.Cut(true)
		time.Sleep(6 * time.Second)
		s.require(exited.Load(), "the process has not ended")
	})
}

// A loop that hangs lets go, since it would not hear that something is to be stopped.
func TestAHangingLoopLetsGo(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		a := s.start("a")
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(10 * time.Second)
		a.block()
		s.put(resource(10), "{}")
		s.put(resource(11), "{}") // one of the two is a's
		time.Sleep(20 * time.Second)
		s.require(s.counts()["a"] == 0, "the node that hangs still holds %d", s.counts()["a"])
		s.settle(0)
		a.unblock()
		time.Sleep(20 * time.Second)
		s.balanced([]string{"a", "b"})
	})
}

// A node that is told nothing new lets go, though it can renew and write.
func TestASilentWatchLetsGo(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		a := s.start("a")
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(10 * time.Second)
		a.network(clustertest.Network{StallWatch: true})
		for key, p := range s.ledger.heldBy() {
			if p == a.process {
				s.remove(key)
				break
			}
		}
		time.Sleep(20 * time.Second)
		s.settle(0)
		s.require(s.counts()["a"] == 0, "the node that is told nothing still holds %d", s.counts()["a"])
	})
}

// When a machine is lost, its node's key goes first. Claims that went before it would rest, as nobody could tell that
// from an operator's doing. Which of two leases that end together goes first is drawn, so several seeds are played.
func TestANodesKeyGoesBeforeItsClaims(t *testing.T) {
	for seed := range uint64(6) {
		playSeed(t, seed, func(s *sim) {
			s.putAll(10)
			s.start("a")
			s.start("b")
			s.settle(5 * time.Second)
			time.Sleep(5 * time.Second)
			s.crash("a", false)
			s.settle(11 * time.Second)
		})
	}
}

// A node that ends a term while it can still write gives everything back at once, its key first.
func TestALostTermRevokesItsNodeLeaseFirst(t *testing.T) {
	play(t, func(s *sim) {
		s.putAll(10)
		a := s.start("a")
		s.start("b")
		s.settle(5 * time.Second)
		time.Sleep(5 * time.Second)
		a.network(clustertest.Network{StallWatch: true})
		time.Sleep(9500 * time.Millisecond) // half a TTL of renewals, a window, and what ending takes
		s.settle(2 * time.Second)
		s.require(s.counts()["a"] == 0, "the node that is told nothing still holds %d", s.counts()["a"])
	})
}
