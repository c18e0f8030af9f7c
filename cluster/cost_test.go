package cluster

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// crowd is a view of many resources, held by fifty nodes.
func crowd(tb testing.TB, resources int) (*world, *view) {
	tb.Helper()
	w, v := newWorld(), newView("n0")
	for i := range 50 {
		w.join(Node{ID: fmt.Sprintf("n%d", i)})
	}
	w.listTo(v, 100, 1)
	value := []byte(`{"url":"wss://example.com/feed/of/things"}`)
	const page = 1000
	rev := v.rev
	for from := 0; from < resources; from += page {
		var b Batch
		for i := from; i < min(from+page, resources); i++ {
			rev++
			b.Records = append(b.Records, Record{Path: ResourcePath(thing(i)), Value: value, Rev: rev})
		}
		for i := from; i < min(from+page, resources); i++ {
			b.Records = append(b.Records, w.claimAt(thing(i), i%50, rev))
		}
		b.Rev = rev
		v.fold(b, 1, ignore)
	}
	return w, v
}

// thing is a resource with an id of a usual length.
func thing(i int) Key { return Key{"websocket", fmt.Sprintf("customer-%09d", i)} }

func (w *world) claimAt(k Key, node int, rev int64) Record {
	id := fmt.Sprintf("n%d", node)
	return Record{Path: ClaimPath(k), Value: fmt.Appendf(nil, `{"node":%q}`, id), Lease: w.terms[id].Lease(2), Rev: rev}
}

// A resource held elsewhere costs 400 bytes at most, key, maps and all. Seen to fail with the spec kept.
func TestMemoryPerResource(t *testing.T) {
	if got := bytesPerResource(t, 100_000); got > 400 {
		t.Errorf("a resource takes %d bytes; 400 are the most", got)
	}
}

func bytesPerResource(tb testing.TB, n int) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, v := crowd(tb, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(v)
	return int(after.HeapAlloc-before.HeapAlloc) / n
}

func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(bytesPerResource(b, n)), "B/resource")
			}
		})
	}
}

// What an event costs doesn't grow with the resources there are; what the death of a node costs grows with what it held.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		w, v := crowd(b, n)
		now := Instant(time.Hour)
		fold := func(records ...Record) {
			for i := range records {
				records[i].Rev = v.rev + 1
			}
			v.fold(Batch{Records: records, Rev: v.rev + 1}, now, ignore)
		}
		put := Record{Path: ResourcePath(thing(n)), Value: []byte(`{}`)}
		b.Run(fmt.Sprintf("add,claim,remove/%d", n), func(b *testing.B) {
			for b.Loop() {
				fold(put)
				fold(w.claimAt(thing(n), 7, 0))
				fold(Record{Path: put.Path, Deleted: true})
				fold(Record{Path: ClaimPath(thing(n)), Deleted: true})
			}
		})
		b.Run(fmt.Sprintf("balance/%d", n), func(b *testing.B) {
			now = now.Add(time.Minute)
			for b.Loop() {
				v.balance(now, 0, func(*slot) bool { return true })
			}
		})
		b.Run(fmt.Sprintf("gauges/%d", n), func(b *testing.B) {
			for b.Loop() {
				v.gauges(now, time.Time{})
			}
		})
		b.Run(fmt.Sprintf("death of one of 50/%d", n), func(b *testing.B) {
			node := w.keys[NodePath("n7")]
			for b.Loop() {
				fold(Record{Path: NodePath("n7"), Deleted: true})
				b.StopTimer()
				fold(node)
				b.StartTimer()
			}
		})
		b.Run(fmt.Sprintf("replan/%d", n), func(b *testing.B) {
			for i := range 50 {
				fold(Record{Path: NodePath(fmt.Sprintf("n%d", i)), Deleted: true})
			}
			for i := range 50 {
				node := w.node(fmt.Sprintf("n%d", i))
				node.Term += 100
				w.put(NodePath(node.ID), node, 0)
				fold(w.keys[NodePath(node.ID)])
			}
			for b.Loop() {
				v.dirty = true
				v.replan(now)
			}
		})
	}
}
