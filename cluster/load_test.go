package cluster_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// BenchmarkNode is what a node costs with so many resources and a watch that lags by 20 ms: time for all of them to run
// elsewhere after a death, after a leave and, for half of them, after a join; and the processor time of a second in which
// nothing happens, the store's included. In real time; what each needs must grow no faster than the resources.
func BenchmarkNode(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				benchmarkNode(b, n)
			}
		})
	}
}

func benchmarkNode(b *testing.B, n int) {
	lag := clustertest.Network{Watch: clustertest.Span{Min: 20 * time.Millisecond, Max: 20 * time.Millisecond}}
	r := newRig(b, n)
	r.memory.Adjust(func(s *clustertest.Settings) { s.Page = 10_000 })
	first := r.start("a", lag)
	r.await("a", n)
	second := r.start("b", lag)
	for second.loop.Stats().Nodes["ready"] < 2 {
		time.Sleep(time.Millisecond)
	}

	began := time.Now()
	first.Cut(true)
	for _, lease := range r.leasesOf("a") {
		r.memory.RevokeLease(lease)
	}
	r.await("b", n)
	b.ReportMetric(time.Since(began).Seconds(), "s/death")
	first.quit()

	time.Sleep(time.Second)
	cpu := processorTime()
	time.Sleep(2 * time.Second)
	b.ReportMetric((processorTime()-cpu).Seconds()/2, "cpu/idle")

	third := r.start("c", lag)
	for third.loop.Stats().Nodes["ready"] < 2 {
		time.Sleep(time.Millisecond)
	}
	began = time.Now()
	r.await("c", n/2)
	b.ReportMetric(time.Since(began).Seconds(), "s/join")

	began = time.Now()
	second.leave()
	r.await("c", n)
	b.ReportMetric(time.Since(began).Seconds(), "s/leave")
	r.end(third)
}

// leasesOf returns the leases of a node's present term, the node's own first.
func (r *rig) leasesOf(node string) []cluster.LeaseID {
	own, _ := r.memory.Get(cluster.NodePath(node))
	var leases []cluster.LeaseID
	for _, id := range r.memory.Leases() { // in order
		if id.Term() == own.Lease.Term() {
			leases = append(leases, id)
		}
	}
	return leases
}

// await waits until a node runs so many.
func (r *rig) await(node string, n int) {
	for r.running(node) != n {
		time.Sleep(5 * time.Millisecond)
	}
}

// quit has a node leave at once.
func (n *rigNode) quit() {
	close(n.abort)
	n.leave()
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
