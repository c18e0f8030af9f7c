package state

import (
	"fmt"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// BenchmarkWrite compares guarded writes of 1,000 resources at once with 256 clients that put the same. Each is to be read beside
// the other of the same run.
func BenchmarkWrite(b *testing.B) {
	const resources, clients = 1000, 256
	e := etcdtest.Processes(b, 1)
	s := open(b, e.Endpoints())
	book := run(b, s, Options{})
	pages := make([]*Page, resources)
	for i := range pages {
		pages[i] = book.Page(claim(b, s, fmt.Sprint(i)))
	}
	client := etcdtest.Client(b, e.Endpoints())
	share := func(b *testing.B, among int, do func(who int) error) {
		var running sync.WaitGroup
		for who := range among {
			running.Go(func() {
				for i := who; i < b.N; i += among {
					if err := do(who); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		running.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	}
	value := fmt.Sprintf(`{"at":%0100d}`, 0)
	b.Run("puts", func(b *testing.B) {
		share(b, clients, func(who int) error {
			_, err := client.Put(b.Context(), fmt.Sprint("/raw/", who), value)
			return err
		})
	})
	b.Run("guarded", func(b *testing.B) {
		share(b, resources, func(who int) error { return pages[who].Write(b.Context(), put("cursor", value)) })
	})
}
