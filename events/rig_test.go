package events

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// rig is a log on a real etcd, and a publisher.
type rig struct {
	*Log
	t      *testing.T
	ctx    context.Context
	client *clientv3.Client
}

// newRig returns a log that follows once run is called.
func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	endpoints := etcdtest.Start(t).Endpoints()
	store, err := lease.Open(lease.Config{Endpoints: endpoints, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r := &rig{Log: Open(store, o), t: t, ctx: ctx, client: etcdtest.Client(t, endpoints)}
	batches, begun := make(chan cluster.Batch), make(chan struct{})
	r.beside(func(ctx context.Context) { _ = store.Follow(ctx, batches) })
	r.beside(func(ctx context.Context) {
		var once sync.Once
		for {
			select {
			case <-batches:
				once.Do(func() { close(begun) })
			case <-ctx.Done():
				return
			}
		}
	})
	<-begun
	return r
}

// beside does something until the test ends, or until what it returns is called.
func (r *rig) beside(do func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { do(ctx) })
	end = func() { cancel(); running.Wait() }
	r.t.Cleanup(end)
	return end
}

func (r *rig) run() *rig {
	r.beside(func(ctx context.Context) { _ = r.Run(ctx) })
	return r
}

// publish puts events in one transaction and returns its revision.
func (r *rig) publish(pairs ...string) int64 {
	r.t.Helper()
	var ops []clientv3.Op
	for i := 0; i < len(pairs); i += 2 {
		ops = append(ops, clientv3.OpPut("/drm/topics/"+pairs[i], pairs[i+1]))
	}
	answer, err := r.client.Txn(r.ctx).Then(ops...).Commit()
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.Header.Revision
}

// publishMany puts n events of one topic, a hundred in a transaction.
func (r *rig) publishMany(topic string, n int, value string) {
	r.t.Helper()
	for i := 0; i < n; i += 100 {
		var pairs []string
		for j := i; j < min(i+100, n); j++ {
			pairs = append(pairs, fmt.Sprintf("%s/e%06d", topic, j), value)
		}
		r.publish(pairs...)
	}
}

func (r *rig) del(path string, opts ...clientv3.OpOption) {
	r.t.Helper()
	if _, err := r.client.Delete(r.ctx, "/drm/topics/"+path, opts...); err != nil {
		r.t.Fatal(err)
	}
}

// next reads n events.
func (r *rig) next(f *Feed, n int) (got []Event) {
	r.t.Helper()
	for len(got) < n {
		es, err := f.Next(r.ctx, n-len(got))
		if err != nil {
			r.t.Fatalf("after %d events: %v", len(got), err)
		}
		got = append(got, es...)
	}
	return got
}

func names(es []Event) (all []string) {
	for _, e := range es {
		all = append(all, e.At.Name)
	}
	return all
}

func (r *rig) want(got []Event, want ...string) {
	r.t.Helper()
	if !slices.Equal(names(got), want) {
		r.t.Errorf("got %q; want %q", names(got), want)
	}
}
