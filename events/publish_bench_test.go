package events

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// BenchmarkPublish compares what 64 publishers get done, one event of 1 KiB at a time and a hundred at a time, with as many clients that
// put. Each is to be read beside the puts of the same run.
func BenchmarkPublish(b *testing.B) {
	data := append(append([]byte{'"'}, make([]byte, 1<<10)...), '"')
	for i := range data[1 : len(data)-1] {
		data[i+1] = 'x'
	}
	e := etcdtest.Processes(b, 1)
	client := etcdtest.Client(b, e.Endpoints())
	p := NewPublisher(open(b, e.Endpoints()))
	b.Run("puts", func(b *testing.B) {
		compete(b, 1, func() error {
			_, err := client.Put(b.Context(), "/raw/"+newID(), string(data))
			return err
		})
	})
	for name, n := range map[string]int{"single": 1, "hundreds": 100} {
		b.Run(name, func(b *testing.B) {
			compete(b, n, func() error {
				es := make([]Event, n)
				for i := range es {
					es[i] = Event{Topic: "orders", Data: data}
				}
				return p.Publish(b.Context(), es)[0].Err
			})
		})
	}
}

// compete does something b.N/n times, 64 at a time.
func compete(b *testing.B, n int, do func() error) {
	var turn atomic.Int64
	var running sync.WaitGroup
	for range 64 {
		running.Go(func() {
			for turn.Add(int64(n)) <= int64(b.N+n-1) {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
