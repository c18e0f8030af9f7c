package cluster_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster/clustertest"
)

// BenchmarkNode is what a node costs with so many resources and a watch that lags by 20 ms, in processor time, with that of the
// store and of the runners: until all run elsewhere after a death, half of them after a join and all after a leave, and of a
// second in which nothing happens. It must grow no faster than the resources.
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
	join := func(name string, nodes int) *rigNode {
		node := r.start(name, lag)
		for node.loop.Stats().Nodes["ready"] < nodes {
			time.Sleep(time.Millisecond)
		}
		return node
	}
	measure := func(what string, node string, n int) {
		began := processorTime()
		r.await(node, n)
		b.ReportMetric((processorTime() - began).Seconds(), what)
	}
	first := join("a", 1)
	r.await("a", n)
	second := join("b", 2)
	first.quit()
	measure("cpu-s/death", "b", n)

	began := processorTime()
	time.Sleep(2 * time.Second)
	b.ReportMetric((processorTime()-began).Seconds()/2, "cpu-s/idle-s")

	third := join("c", 2)
	measure("cpu-s/join", "c", n/2)
	second.leave()
	measure("cpu-s/leave", "c", n)
	r.end(third)
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
