//go:build linux

package scale

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/fleet"
)

// TestNodeAmongMany starts a real node in a cluster whose resources all are held elsewhere: how long it takes until the node takes
// part, what it has in use then and had at most, and how it keeps up with changes. Seen to fail with slots of 300 bytes more.
func TestNodeAmongMany(t *testing.T) {
	if err := dependOnSources("../.."); err != nil {
		t.Fatal(err)
	}
	const holders = 20
	s := newStage(t)
	n := max(*resources, 10_000) // with fewer, chance decides what one takes
	began := time.Now()
	s.put("websocket", `{"url":"wss://example.com/feed/of/things"}`, n)
	for i := range holders {
		s.strange(cluster.TermID(i+1), "websocket", i*n/holders, (i+1)*n/holders)
	}
	t.Logf("%d resources and as many claims: put in %.1f s; %s", n, time.Since(began).Seconds(), s.sizes())
	program, err := fleet.Build(t.TempDir())
	s.must(err)
	few := s.node(program, "few", "/few/")
	empty := few.use(s)
	_, err = few.Leave(s.ctx)
	s.must(err)
	began = time.Now()
	node := s.node(program, "many", prefix)
	took := time.Since(began)
	peak := node.use(s)
	t.Logf("started, listed and registered in %.1f s; %s", took.Seconds(), s.sizes())
	t.Logf("in use, with no resources:   %v", empty)
	t.Logf("in use, right after listing: %v", peak)
	node.await(s, s.churn(n/20))
	t.Logf("in use, after changes:       %v", node.use(s))
	s.pass(*rest) // Go gives memory back little by little
	settled := node.use(s)
	t.Logf("in use, %v later:            %v", *rest, settled)
	each := float64(settled.live-empty.live) / float64(n)
	t.Logf("a resource held elsewhere: %.0f B of live heap, %.0f B of memory in use, %.0f B at most", each,
		float64(settled.rss-empty.rss)/float64(n), float64(settled.peak-empty.rss)/float64(n))
	if each > 400 {
		t.Errorf("a resource held elsewhere takes %.0f B; 400 are the most", each)
	}
}

// process is a node as a process.
type process struct {
	*fleet.Node
	debug string // where it serves profiles
}

// node starts a real node and returns when it takes part in the cluster.
func (s *stage) node(program, id, prefix string) process {
	s.t.Helper()
	dir := s.t.TempDir()
	f, err := fleet.New(fleet.Config{Program: program, Dir: dir, Client: s.client, Prefix: prefix, Flags: []string{"--log-level=info"}})
	s.must(err)
	s.t.Cleanup(f.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	debug := l.Addr().String()
	_ = l.Close()
	n, err := f.Start(s.ctx, id, "--debug-listen="+debug)
	s.must(err)
	return process{n, debug}
}

// use is what a process has in use, in bytes.
type use struct {
	rss, peak  int64 // of the kernel
	heap, live int64 // of Go's heap, and what of it is left when all garbage is collected
}

func (u use) String() string {
	return fmt.Sprintf("%d MiB of memory (%d at most), %d of heap, %d of it live", u.rss>>20, u.peak>>20, u.heap>>20, u.live>>20)
}

func (n process) use(s *stage) use {
	s.t.Helper()
	u := use{rss: memory(n.Worker.PID, "VmRSS"), peak: memory(n.Worker.PID, "VmHWM")}
	before, err := n.Metrics(s.ctx)
	s.must(err)
	answer, err := http.Get("http://" + n.debug + "/debug/pprof/heap?gc=1") // collects first
	s.must(err)
	_ = answer.Body.Close()
	after, err := n.Metrics(s.ctx)
	s.must(err)
	u.heap, u.live = int64(before["go_memstats_heap_inuse_bytes"]), int64(after["go_memstats_heap_alloc_bytes"])
	return u
}

// churn removes n resources and puts them again, and returns etcd's revision then.
func (s *stage) churn(n int) int64 {
	s.t.Helper()
	began := time.Now()
	s.puts(n, func(i int) clientv3.Op {
		return clientv3.OpDelete(prefix + cluster.ResourcePath(thing("websocket", i)))
	})
	s.put("websocket", `{"url":"wss://example.com/feed/of/things"}`, n)
	s.t.Logf("%d resources removed and put again in %.1f s", n, time.Since(began).Seconds())
	status, err := s.client.Status(s.ctx, s.etcd.Endpoints()[0])
	s.must(err)
	return status.Header.Revision
}

// await returns once a node has seen everything up to a revision.
func (n process) await(s *stage, rev int64) {
	s.t.Helper()
	began := time.Now()
	for {
		var info struct {
			Revision int64 `json:"revision,string"`
		}
		s.must(n.Get(s.ctx, "/v1/cluster", &info))
		if info.Revision >= rev {
			s.t.Logf("the node had seen all of it %.2f s later", time.Since(began).Seconds())
			return
		}
		s.pass(10 * time.Millisecond)
	}
}

// sizes tells what etcd has in use.
func (s *stage) sizes() string {
	s.t.Helper()
	text := "etcd:"
	for _, m := range s.etcd.Members {
		ctx, cancel := context.WithTimeout(s.ctx, within)
		status, err := s.client.Status(ctx, m.Endpoint)
		cancel()
		s.must(err)
		text += fmt.Sprintf(" %d MiB of file, %d of memory (%d at most);", status.DbSize>>20, memory(m.PID(), "VmRSS")>>20, memory(m.PID(), "VmHWM")>>20)
	}
	return text
}
