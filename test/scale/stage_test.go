//go:build linux

package scale

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

var (
	resources = flag.Int("resources", 10_000/slowness, "resources in the cluster")
	nodes     = flag.Int("nodes", 10, "nodes in TestManyNodes")
	ttl       = flag.Duration("ttl", 20*time.Second, "the nodes' TTL; the default is for machines that do other things as well")
	rolled    = flag.Int("rolled", 1, "nodes that TestManyNodes restarts in turn")
	rest      = flag.Duration("rest", time.Second, "how long is looked on while nothing happens")
	dead      = flag.Int("dead", 10_000/slowness, "resources of the node that dies in TestDeathOfALargeNode")
	quota     = flag.Int("quota", 2<<30, "etcd's --quota-backend-bytes")
)

const (
	prefix = "/drm/"
	// within bounds what is waited for: no promise, but the point where waiting is pointless.
	within = 5 * time.Minute
	// onLease is how many claims drm puts on a lease.
	onLease = 1000
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	flag.Parse()
	os.Exit(m.Run())
}

// stage is an etcd of three members, and what is done to it.
type stage struct {
	t      *testing.T
	ctx    context.Context
	etcd   *etcdtest.Cluster
	client *clientv3.Client
	store  *lease.Store // to do what a node or its supervisor does
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	etcd := etcdtest.Processes(t, 3, fmt.Sprintf("--quota-backend-bytes=%d", *quota))
	s := &stage{t: t, ctx: ctx, etcd: etcd, client: etcdtest.Client(t, etcd.Endpoints())}
	s.store = s.open(lease.Config{})
	return s
}

// open returns a connection to etcd as a node has it, closed when the test ends.
func (s *stage) open(cfg lease.Config) *lease.Store {
	s.t.Helper()
	cfg.Endpoints, cfg.Prefix = s.etcd.Endpoints(), prefix
	store, err := lease.Open(cfg)
	s.must(err)
	s.t.Cleanup(func() { _ = store.Close() })
	return store
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// thing is a resource with an id of a usual length.
func thing(kind string, i int) cluster.Key {
	return cluster.Key{Kind: kind, ID: fmt.Sprintf("customer-%09d", i)}
}

// puts makes n puts, as many in a request as etcd takes.
func (s *stage) puts(n int, put func(i int) clientv3.Op) {
	s.t.Helper()
	const each = 128
	starts := make(chan int)
	failed := make(chan error, 1)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for from := range starts {
				var ops []clientv3.Op
				for i := from; i < min(from+each, n); i++ {
					ops = append(ops, put(i))
				}
				if _, err := s.client.Txn(s.ctx).Then(ops...).Commit(); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for from := 0; from < n; from += each {
		starts <- from
	}
	close(starts)
	group.Wait()
	select {
	case err := <-failed:
		s.t.Fatalf("put %d keys: %v", n, err)
	default:
	}
}

// put puts n resources of a kind.
func (s *stage) put(kind, spec string, n int) {
	s.t.Helper()
	s.puts(n, func(i int) clientv3.Op { return clientv3.OpPut(prefix+cluster.ResourcePath(thing(kind, i)), spec) })
}

// stranger is a node that only etcd knows: its keys are there, as drm writes them, and nobody runs it.
type stranger struct {
	leases []cluster.LeaseID // the node lease first
}

// strange puts a node with the claims on resources from one number up to another. Its leases outlive the test.
func (s *stage) strange(term cluster.TermID, kind string, from, to int) stranger {
	s.t.Helper()
	id := fmt.Sprintf("stranger-%d", term)
	g := stranger{}
	for n := range 1 + (to-from+onLease-1)/onLease {
		g.leases = append(g.leases, term.Lease(n))
		_, err := s.store.Grant(s.ctx, term.Lease(n), time.Hour)
		s.must(err)
	}
	node, err := json.Marshal(cluster.Node{
		Term: term, Planners: []int{1}, Kinds: []string{kind}, Weight: 1, TTL: cluster.Duration(8 * time.Second),
		Intake: cluster.Intake{Lease: term.Lease(1), Quota: onLease},
	})
	s.must(err)
	_, err = s.client.Put(s.ctx, prefix+cluster.NodePath(id), string(node), clientv3.WithLease(clientv3.LeaseID(term.Lease(0))))
	s.must(err)
	value := fmt.Sprintf(`{"node":%q}`, id)
	s.puts(to-from, func(i int) clientv3.Op {
		on := clientv3.WithLease(clientv3.LeaseID(term.Lease(1 + i/onLease)))
		return clientv3.OpPut(prefix+cluster.ClaimPath(thing(kind, from+i)), value, on)
	})
	return g
}

// dies ends its leases as the supervisor of a crashed worker does.
func (g stranger) dies(s *stage) {
	s.t.Helper()
	s.must(cluster.RevokeTerm(s.ctx, s.store, g.leases))
}

// pass lets time pass in which nothing is waited for: what is measured is that nothing happens.
func (s *stage) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
		s.t.Fatal(s.ctx.Err())
	}
}

// dependOnSources has the tests run again after any change to the module: "go test" remembers good results, and doesn't know of
// the files that a compiler opened which a test has started.
func dependOnSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
}
