package cluster

import (
	"encoding/json"
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

// What an event costs doesn't grow with the resources there are; what the death of a node costs grows with what it held, and a new
// plan with what is homeless.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		w, v := crowd(b, n)
		c := &cost{w: w, v: v, n: n, now: Instant(time.Hour)}
		for _, event := range []struct {
			name    string
			measure func(*testing.B)
		}{
			{"gauges", func(b *testing.B) { c.each(b, func(int) { v.gauges(c.now, time.Time{}) }) }},
			{"page of 100", func(b *testing.B) { c.each(b, func(i int) { v.page("", thing(i*7919%n), 100) }) }},
			{"spec changed", c.spec},
			{"resource put, deleted", c.resource},
			{"claim put, deleted", c.claim},
			{"hand-off, back", c.handOff},
			{"balance", func(b *testing.B) { c.each(b, func(int) { v.balance(c.now, 0, func(*slot) bool { return true }) }) }},
			{"intake named", c.intake},
			{"empty node comes, goes", c.empty},
			{"death of one of 50", c.death},
			{"replan of all", c.replan},
		} {
			b.Run(fmt.Sprintf("%s/%d", event.name, n), event.measure)
		}
	}
}

// cost is a view of n resources to which things happen.
type cost struct {
	w   *world
	v   *view
	n   int
	now Instant
}

func (c *cost) each(b *testing.B, f func(i int)) {
	for i := 0; b.Loop(); i++ {
		f(i)
	}
}

func (c *cost) fold(r Record) {
	r.Rev = c.v.rev + 1
	c.v.fold(Batch{Records: []Record{r}, Rev: r.Rev}, c.now, ignore)
}

// somewhere names a resource that is not there, each time in another place among the others.
func (c *cost) somewhere(i int) Key {
	k := thing(i * 7919 % c.n)
	k.ID += "-more"
	return k
}

func (c *cost) resource(b *testing.B) {
	c.each(b, func(i int) {
		path := ResourcePath(c.somewhere(i))
		c.fold(Record{Path: path, Value: []byte(`{"url":"wss://example.com/feed/of/things"}`)})
		c.fold(Record{Path: path, Deleted: true})
	})
}

func (c *cost) spec(b *testing.B) {
	c.each(b, func(i int) {
		c.fold(Record{Path: ResourcePath(thing(i * 7919 % c.n)), Value: []byte(`{"url":"wss://example.com/feed/of/things"}`)})
	})
}

func (c *cost) claim(b *testing.B) {
	c.each(b, func(i int) {
		k := c.somewhere(i)
		c.fold(c.w.claimAt(k, 7, 0))
		c.fold(Record{Path: ClaimPath(k), Deleted: true})
		c.now = c.now.Add(time.Minute) // nothing rests, as after the death of a node
		c.v.wake(c.now)
	})
}

func (c *cost) handOff(b *testing.B) {
	c.each(b, func(i int) {
		k := i * 7919 % c.n
		c.fold(c.w.claimAt(thing(k), (k+1)%50, 0))
		c.fold(c.w.claimAt(thing(k), k%50, 0))
	})
}

func (c *cost) intake(b *testing.B) {
	node := c.w.node("n7")
	c.each(b, func(int) {
		node.Intake.Lease++
		c.fold(c.w.record(node))
	})
}

func (c *cost) empty(b *testing.B) {
	node := c.w.node("n7")
	node.ID, node.Term = "new", 1000
	record := c.w.record(node)
	c.each(b, func(int) {
		c.fold(record)
		c.fold(Record{Path: record.Path, Deleted: true})
	})
}

func (c *cost) death(b *testing.B) {
	node := c.w.keys[NodePath("n7")]
	for b.Loop() {
		c.fold(Record{Path: node.Path, Deleted: true})
		b.StopTimer()
		c.fold(node)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n/50), "ns/slot")
}

func (c *cost) replan(b *testing.B) {
	for i := range 50 {
		c.fold(Record{Path: NodePath(fmt.Sprintf("n%d", i)), Deleted: true})
	}
	for i := range 50 { // and under new terms, so that nothing is held
		node := c.w.node(fmt.Sprintf("n%d", i))
		node.Term += 100
		c.fold(c.w.record(node))
	}
	for b.Loop() {
		c.v.dirty = true
		c.v.replan(c.now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.n), "ns/slot")
}

// record is a node's key with what it says of itself now.
func (w *world) record(n Node) Record {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return Record{Path: NodePath(n.ID), Value: text, Lease: n.Term.Lease(0)}
}
