package cluster_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// stubborn runs resources that don't stop before they are let.
type stubborn struct {
	let  chan struct{}
	runs atomic.Int32
}

func (*stubborn) Check(json.RawMessage) error { return nil }

func (s *stubborn) Run(ctx context.Context, _ cluster.Claim) error {
	s.runs.Add(1)
	<-ctx.Done()
	<-s.let
	return context.Cause(ctx)
}

// A runner that doesn't stop when its spec changes is said to be stuck, once; when it has stopped, the new spec is run. Seen to
// fail with urge left out.
func TestARunnerThatDoesNotStopIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		runner := &stubborn{let: make(chan struct{})}
		var told atomic.Int32
		a := r.start("a", clustertest.Network{}, func(_ *rigNode, c *cluster.Config) {
			c.Runners = map[string]cluster.Runner{"x": runner}
			c.Observe = func(e cluster.Event) {
				if e.Type == cluster.Stuck && e.Key == rigKey(0) {
					told.Add(1)
				}
			}
		})
		time.Sleep(5 * time.Second)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), `{"changed":true}`)
		time.Sleep(3 * time.Second)
		if n := told.Load(); n != 0 {
			t.Errorf("told %d times within 3 s", n)
		}
		time.Sleep(20 * time.Second)
		if n := told.Load(); n != 1 {
			t.Errorf("told %d times after 23 s; want once", n)
		}
		close(runner.let)
		time.Sleep(5 * time.Second)
		if n := runner.runs.Load(); n != 2 {
			t.Errorf("run %d times; want again once it had stopped", n)
		}
		r.end(a)
	})
}
