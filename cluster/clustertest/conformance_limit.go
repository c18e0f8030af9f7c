package clustertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

func testMaxCommit(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := grant(t, s, timeout)
	var ops []cluster.Op
	for i := range cluster.MaxCommit {
		op := put(path(i), "", id)
		op.If = absent(path(i), cluster.NodePath("a"))
		op.Read = []string{cluster.NodePath("a")}
		ops = append(ops, op)
	}
	done(t, s, ops...)
	ops = append(ops, put(path("more"), "", id))
	for i := range ops {
		ops[i].If = nil
	}
	if _, err := s.Commit(within(t), ops); err == nil {
		t.Errorf("a request of %d ops was taken", len(ops))
	}
	if r := read(t, s, path("more"))[0]; !r.Deleted {
		t.Errorf("a refused request wrote %+v", r)
	}
}

func testMaxParts(t *testing.T, c Cluster) {
	s := c.Store("a")
	var paths []string
	for i := range cluster.MaxParts {
		paths = append(paths, path(i))
	}
	full := make([]cluster.Op, cluster.MaxCommit)
	for i := range full {
		full[i] = cluster.Op{If: absent(paths...), Read: paths}
	}
	done(t, s, full...)
	for what, op := range map[string]cluster.Op{
		"guards":                {If: absent(append(paths, path("more"))...)},
		"reads":                 {Read: append(paths, path("more"))},
		"reads besides a write": {Path: path("more"), Read: paths},
	} {
		if _, err := s.Commit(within(t), []cluster.Op{op}); err == nil {
			t.Errorf("an op with too many %s was taken", what)
		}
	}
}

func testTwice(t *testing.T, c Cluster) {
	s := c.Store("a")
	for _, again := range []cluster.Op{put(path(1), "two", 0), {Path: path(1), Delete: true}} {
		if _, err := s.Commit(within(t), []cluster.Op{put(path(1), "one", 0), again}); err == nil {
			t.Errorf("a request that writes a path twice was taken")
		}
	}
	if r := read(t, s, path(1))[0]; !r.Deleted {
		t.Errorf("a refused request wrote %+v", r)
	}
}

func testContext(t *testing.T, c Cluster) {
	s := c.Store("a")
	id := grant(t, s, timeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, []cluster.Op{put(path(1), "", 0)}); err == nil {
		t.Error("Commit: no error, though its context had ended")
	}
	if _, err := s.Grant(ctx, anyLease(), c.TTL); err == nil {
		t.Error("Grant: no error, though its context had ended")
	}
	if err := s.Renew(ctx, []cluster.LeaseID{id}, func(cluster.Ack) {}); err == nil {
		t.Error("Renew: no error, though its context had ended")
	}
	if err := s.Revoke(ctx, id); err == nil {
		t.Error("Revoke: no error, though its context had ended")
	}
}

// testLookUp reads as much as one request may ask for, while all of it is written again and again.
func testLookUp(t *testing.T, c Cluster) {
	s, writer := c.Store("a"), c.Store("writer")
	ends := []cluster.Op{put(path(0), "0", 0), put(path("last"), "0", 0)}
	done(t, s, ends...)
	var ops []cluster.Op
	for i := range cluster.MaxCommit {
		op := cluster.Op{}
		for j := range cluster.MaxParts {
			op.Read = append(op.Read, path(i*cluster.MaxParts+j))
		}
		ops = append(ops, op)
	}
	ops[len(ops)-1].Read[cluster.MaxParts-1] = path("last")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	defer func() { close(stop); wg.Wait() }()
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			for i := range ends {
				ends[i].Value = fmt.Append(nil, n)
			}
			if _, err := writer.Commit(within(t), ends); err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	for range 20 {
		answer := commit(t, s, ops...)
		first, last := answer.Results[0].Read[0], answer.Results[len(ops)-1].Read[cluster.MaxParts-1]
		if !answer.Results[0].Done || first.Rev != last.Rev || string(first.Value) != string(last.Value) || last.Path != path("last") {
			t.Fatalf("read %+v and %+v at once, which were always written together", first, last)
		}
		wantAbsent(t, answer.Results[20].Read[3], path(20*cluster.MaxParts+3), answer.Rev)
	}
}
