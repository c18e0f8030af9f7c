package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// finishing runs resources that have something to finish when they are told to stop: it takes as long as they are held, and
// finish at most.
type finishing struct {
	finish time.Duration
	ended  chan error // why what was finished ended, nil if it was done
}

func (*finishing) Check(json.RawMessage) error { return nil }

func (f *finishing) Run(ctx context.Context, c cluster.Claim) error {
	<-ctx.Done()
	select {
	case <-c.Held.Done():
		f.ended <- context.Cause(c.Held)
	case <-time.After(f.finish):
		f.ended <- c.Held.Err()
	}
	return context.Cause(ctx)
}

// startFinishing starts node a with a runner that finishes for longer than a TTL.
func startFinishing(t *testing.T) (*rig, *rigNode, *finishing) {
	r := newRig(t, 1)
	runner := &finishing{finish: 15 * time.Second, ended: make(chan error, 10)}
	a := r.start("a", clustertest.Network{}, func(_ *rigNode, c *cluster.Config) {
		c.Runners = map[string]cluster.Runner{"x": runner}
	})
	time.Sleep(5 * time.Second)
	return r, a, runner
}

// What a runner finishes after it was told to stop for a move is held until it returns, longer than a TTL, and the move waits for
// that. Seen to fail with Held made of the context that stop cancels.
func TestWhatIsFinishedForAMoveStaysHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, runner := startFinishing(t)
		b := r.start("b", clustertest.Network{})
		time.Sleep(3 * time.Second)
		r.memory.Put(cluster.CordonPath("a"), `{"drain":true}`)
		time.Sleep(12 * time.Second)
		if ended, running := len(runner.ended), r.running("b"); ended+running > 0 {
			t.Errorf("after 12 s: %d ended, %d run on b; want neither", ended, running)
		}
		time.Sleep(8 * time.Second)
		if err := <-runner.ended; err != nil {
			t.Errorf("what was finished was not held: %v", err)
		}
		if n := r.running("b"); n != 1 {
			t.Errorf("%d runs on b after the move; want 1", n)
		}
		r.end(a, b)
	})
}

// When the claim is lost while a runner finishes something, that is told at once. Seen to fail with a lost claim looked for only
// in runs that were not told to stop yet.
func TestWhatIsFinishedEndsWithTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, runner := startFinishing(t)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), `{"changed":true}`)
		time.Sleep(2 * time.Second)
		r.memory.Delete(cluster.ClaimPath(rigKey(0)))
		time.Sleep(100 * time.Millisecond)
		select {
		case err := <-runner.ended:
			if !errors.Is(err, cluster.ErrClaimLost) {
				t.Errorf("ended with %v; want that the claim was lost", err)
			}
		default:
			t.Error("still held 100 ms after the claim was deleted")
		}
		r.end(a)
	})
}

// When the node can't renew, what is being finished is no longer held before the lease can expire. Seen to fail with Held made
// of the background context.
func TestWhatIsFinishedEndsWithTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, runner := startFinishing(t)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), `{"changed":true}`)
		time.Sleep(time.Second)
		a.Adjust(func(n *clustertest.Network) { n.CutRequests, n.CutAnswers = true, true })
		time.Sleep(8 * time.Second)
		select {
		case err := <-runner.ended:
			if err == nil {
				t.Error("finished without a store")
			}
		default:
			t.Error("still held a TTL after the store was cut off")
		}
		a.Adjust(func(n *clustertest.Network) { n.CutRequests, n.CutAnswers = false, false })
		r.end(a)
	})
}
