package webhook

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/events"
)

// BenchmarkSources compares topics with a stream of JetStream: how many events of 1 KiB are published, 64 at a time, and how many one
// webhook then delivers, 100 at a time in mode effectively_once. Neither etcd nor NATS syncs its disk. To be run with -benchtime 3000x.
func BenchmarkSources(b *testing.B) {
	data := append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, 1022)...), '"')
	b.Run("topics", func(b *testing.B) {
		s := newStand(b)
		s.runner.meter.Lags = nil // nobody reads them here
		p := events.NewPublisher(s.store)
		publish(b, func() error {
			return p.Publish(s.ctx, []events.Event{{Topic: "t", Data: data}})[0].Err
		})
		deliver(b, func(r *receiver) { s.hold(r, `, "concurrency": 100`, nil) })
	})
	b.Run("stream", func(b *testing.B) {
		s := newStreamed(b)
		s.runner.meter.Lags = nil
		publish(b, func() error {
			_, err := s.js.Publish(s.ctx, "orders.eu", data)
			return err
		})
		deliver(b, func(r *receiver) { s.run(r.URL, `, "concurrency": 100, "start": "oldest"`) })
	})
}

// publish publishes b.N events.
func publish(b *testing.B, one func() error) {
	var turn atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for range 64 {
		running.Go(func() {
			for turn.Add(1) <= int64(b.N) {
				if err := one(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "published/s")
}

// deliver waits until b.N events have been delivered.
func deliver(b *testing.B, hold func(*receiver)) {
	var came atomic.Int64
	all := make(chan struct{})
	r := receive(b, func(http.ResponseWriter, *http.Request) {
		if came.Add(1) == int64(b.N) {
			close(all)
		}
	})
	begin := time.Now()
	hold(r)
	select {
	case <-all:
	case <-b.Context().Done():
	case <-time.After(25 * time.Second):
		b.Fatalf("%d of %d events were delivered", came.Load(), b.N)
	}
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "delivered/s")
}
