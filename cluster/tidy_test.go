package cluster_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// Nothing is left of the trouble of a resource that was removed while nobody could have it. Seen to fail with tidy left out.
func TestWhatIsRemovedWhileUnheldLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), `{"broken":true,"requires":{"disk":"fast"}}`)
		a := r.start("a", clustertest.Network{}, func(_ *rigNode, c *cluster.Config) { c.Self.Labels = map[string]string{"disk": "fast"} })
		b := r.start("b", clustertest.Network{})
		time.Sleep(20 * time.Second)
		if len(r.troubles()) != 1 {
			t.Fatal("no trouble is noted")
		}
		a.Adjust(func(n *clustertest.Network) { n.CutRequests, n.CutAnswers = true, true }) // as if the machine were gone
		time.Sleep(30 * time.Second)
		r.memory.Delete(cluster.ResourcePath(rigKey(0)))
		time.Sleep(5 * time.Second)
		if left := append(r.memory.List("status/"), r.memory.List("state/x/")...); len(left) > 0 {
			t.Errorf("left behind: %s", left[0].Path)
		}
		a.Adjust(func(n *clustertest.Network) { n.CutRequests, n.CutAnswers = false, false })
		r.end(a, b)
	})
}

// A troubled resource that is removed is released without leaving its note, also when the store is slow to delete that. Seen to
// fail with the note not deleted before the claim, and tidy left out, which would do it too.
func TestReleaseLeavesNoNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.memory.Put(cluster.ResourcePath(rigKey(0)), `{"broken":true}`)
		var lose atomic.Int32
		loser := &losing{lose: &lose}
		a := r.start("a", clustertest.Network{}, func(n *rigNode, c *cluster.Config) {
			loser.Store = n
			c.Store = loser
		})
		time.Sleep(20 * time.Second)
		if len(r.troubles()) != 1 {
			t.Fatal("no trouble is noted")
		}
		lose.Store(2)
		r.memory.Delete(cluster.ResourcePath(rigKey(0)))
		time.Sleep(30 * time.Second)
		if lose.Load() > 0 {
			t.Error("no deletion of the note was lost: the test shows nothing")
		}
		if left := append(r.memory.List("status/"), r.memory.List("claims/")...); len(left) > 0 {
			t.Errorf("left behind: %s", left[0].Path)
		}
		r.end(a)
	})
}

// losing loses some requests that delete a note.
type losing struct {
	cluster.Store
	lose *atomic.Int32
}

func (l *losing) Commit(ctx context.Context, ops []cluster.Op) (cluster.Answer, error) {
	for _, op := range ops {
		if op.Delete && strings.HasPrefix(op.Path, "status/") && l.lose.Add(-1) >= 0 {
			return cluster.Answer{}, context.DeadlineExceeded
		}
	}
	return l.Store.Commit(ctx, ops)
}
