package trim

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// BenchmarkPass goes through a million events and deletes as many as one pass does, and tells how much memory that takes at the most.
func BenchmarkPass(b *testing.B) {
	const n = 1_000_000
	ctx := b.Context()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Processes(b, 1).Endpoints(), RequestTimeout: 30 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	fill(b, store, n)
	claim, err := store.Commit(ctx, []cluster.Op{{Path: cluster.ClaimPath(Key)}})
	if err != nil {
		b.Fatal(err)
	}
	s := defaults()
	h := &hold{Runner: New(Options{Store: store}), spec: &s, claim: cluster.Claim{Key: Key, Epoch: claim.Rev}, perPass: maxPass}
	runtime.GC()
	before, peak := heap(), uint64(0)
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for watching.Err() == nil {
			peak = max(peak, heap())
			<-tick.C
		}
	})
	for b.Loop() {
		if _, err := h.pass(ctx); err != nil {
			b.Fatal(err)
		}
	}
	stop()
	watch.Wait()
	b.ReportMetric(float64(peak-before)/(1<<20), "MiB-peak")
}

// fill puts n events of one topic.
func fill(b *testing.B, store *lease.Store, n int) {
	b.Helper()
	ops := make([]cluster.Op, cluster.MaxCommit)
	for from := 0; from < n; from += len(ops) {
		for i := range ops {
			ops[i] = cluster.Op{Path: fmt.Sprintf("topics/orders/e%07d", from+i), Value: []byte(`{"data":1}`)}
		}
		if _, err := store.Commit(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
