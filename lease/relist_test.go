package lease

import (
	"fmt"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// TestFollowListsInTheBackground writes and deletes all the time while listings run in small pages, and holds what was
// told against what is there. Seen to fail with relist() leaving nothing out (a deleted key came back), and with
// it not waiting for the watch.
func TestFollowListsInTheBackground(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	s := open(t, e.Endpoints(), func(c *Config) { c.ReconcileEvery, c.PageSize = 20*time.Millisecond, 2 })
	direct := open(t, e.Endpoints())
	var ops []cluster.Op
	for i := range 40 {
		ops = append(ops, put(fmt.Sprintf("claims/a/%02d", i)))
	}
	commit(t, direct, ops...)
	f := follow(t, s)
	f.complete()
	last, view, listings := int64(0), map[string]int64{}, 0
	written := make(chan int64, 1)
	go func() {
		var rev int64
		for i := range 500 {
			a, err := direct.Commit(t.Context(), []cluster.Op{{Path: fmt.Sprintf("claims/a/%02d", i*7%40), Delete: i%2 == 1}})
			if err != nil {
				break
			}
			rev = a.Rev
			// The revision also moves where Follow doesn't look.
			if _, err = direct.Commit(t.Context(), []cluster.Op{put("status/a/1"), put("status/a/2")}); err != nil {
				break
			}
		}
		written <- rev
	}()
	f.until("the end and five listings", func(b cluster.Batch) bool {
		for _, r := range b.Records {
			if b.Listing && r.Rev < view[r.Path] {
				t.Errorf("a listing took %s back from %d to %d", r.Path, view[r.Path], r.Rev)
			}
			view[r.Path] = max(view[r.Path], r.Rev)
		}
		if !b.Listing {
			last = max(last, b.Rev)
		} else if b.Rev > last && last != 0 {
			t.Errorf("a listing as of %d came when the watch had told up to %d", b.Rev, last)
		}
		if b.Complete {
			listings++
		}
		return listings >= 5 && len(written) == 1
	})
	if rev := <-written; rev == 0 {
		t.Fatal("nothing was written")
	}
}
