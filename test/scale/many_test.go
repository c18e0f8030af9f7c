//go:build linux

package scale

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// TestManyNodes takes a cluster of many nodes through all that changes who holds what, and tells what each step cost. Nothing
// ever runs twice, and no node loses its term. Seen to fail as TestDeathOfALargeNode.
func TestManyNodes(t *testing.T) {
	s := newStage(t)
	n, size := *resources, *nodes
	s.put("nothing", "{}", n)
	before := heap()
	c := newCrew(s)
	crowd := map[string]*member{}
	next := 0
	join := func(k int) {
		for range k {
			id := fmt.Sprintf("n%03d", next)
			next++
			crowd[id] = c.start(id)
		}
	}
	some := func(k int) []*member {
		var chosen []*member
		for _, m := range crowd {
			if len(chosen) < k {
				chosen = append(chosen, m)
				delete(crowd, m.id)
			}
		}
		return chosen
	}
	c.step("all start", 0, n, func() { join(size); c.even(n, size) })
	t.Logf("memory: %d KiB of live heap for each node, of which it runs %d resources and knows %d", (heap()-before)>>10/size, n/size, n)
	tenth := max(1, size/5)
	c.step("one dies", 0, n/size, func() { some(1)[0].die(); c.even(n, size-1) })
	c.step(fmt.Sprintf("%d die at once", tenth), 0, n*tenth/(size-1), func() {
		for _, m := range some(tenth) {
			m.die()
		}
		c.even(n, size-1-tenth)
	})
	c.step(fmt.Sprintf("%d join at once", tenth+1), n*(tenth+1)/size, 0, func() { join(tenth + 1); c.even(n, size) })
	c.step(fmt.Sprintf("%d restart in turn", *rolled), 2**rolled*n/size, 0, func() {
		for _, m := range some(*rolled) {
			m.leave()
			<-m.ended
			c.running(n, size-1)
			crowd[m.id] = c.start(m.id)
			c.even(n, size)
		}
	})
	c.step(fmt.Sprintf("nothing, for %v", *rest), 0, 0, func() { s.pass(*rest) })
}

// step does something and tells what it took: how much was moved and started, of which so much was needed, and what it cost.
func (c *crew) step(what string, moves, starts int, do func()) {
	c.s.t.Helper()
	c.fresh()
	load, traffic, began := c.s.load(), c.s.traffic(), time.Now()
	do()
	took := time.Since(began)
	t, load := c.read(), c.s.load().since(load)
	now := c.s.traffic()
	c.s.t.Logf("%-22s %6.2f s; %d handed off (%d needed), %d claimed (%d), %d of %d bids lost; renewals p50 %v, p99 %v, longest %v",
		what, took.Seconds(), t.handed, moves, t.won, starts, t.lost, t.lost+t.won,
		percentile(t.renewals, 0.5), percentile(t.renewals, 0.99), percentile(t.renewals, 1))
	c.s.t.Logf("%-22s processor time: %v; etcd sent %.1f MiB of watch events and answers, %d events to watches",
		"", load, (now.sent-traffic.sent)/(1<<20), int(now.events-traffic.events))
	for _, trouble := range t.trouble {
		c.s.t.Logf("%-22s %s", "", trouble)
	}
	if t.terms > 0 {
		c.s.t.Errorf("%s: %d terms were lost", what, t.terms)
	}
	if t.lost*20 > t.won {
		c.s.t.Errorf("%s: %d bids were lost, %d won", what, t.lost, t.won)
	}
	if t.handed > moves+moves/20+20 {
		c.s.t.Errorf("%s: %d resources were handed off, %d would have done", what, t.handed, moves)
	}
}

// heap is what is reachable in this process, in bytes.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
