package lease

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// followRange follows a range as follow does the control range.
func followRange(t *testing.T, s *Store, r Range) *following {
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{t, make(chan cluster.Batch), make(chan error, 1), cancel}
	var running sync.WaitGroup
	running.Go(func() { f.end <- s.FollowRange(ctx, r, f.batches) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

// Seen to fail with keysOf ending the range at the next family, and with record leaving Created out.
func TestARangeIsListedAndFollowed(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints(), func(c *Config) { c.PageSize = 2 })
	created := commit(t, s, put("topics/a/1"), put("topics/a/2"), put("topics/b/1"), put("topics0"), put("status/a/1"), put("topic")).Rev
	f := followRange(t, s, Range{Below: "topics/", KeysOnly: true})
	listed := records(f.complete())
	if len(listed) != 3 || listed[2].Path != "topics/b/1" || listed[2].Rev != created || listed[2].Value != nil {
		t.Fatalf("listed %+v; want three keys below topics/, without values", listed)
	}
	commit(t, s, put("topics0"), put("status/a/1"))
	rev := commit(t, s, put("topics/a/2")).Rev
	if told := f.reaches(rev); len(told) != 1 || string(told[0].Value) != "topics/a/2" || told[0].Rev != rev || told[0].Created != created {
		t.Errorf("told %+v; want topics/a/2, created at %d and written at %d, with its value", told, created, rev)
	}
	var seen []cluster.Record
	if err := s.List(timeout(t), Range{Below: "topics/a/"}, func(b cluster.Batch) error {
		seen = append(seen, b.Records...)
		return nil
	}); err != nil || len(seen) != 2 || len(seen[0].Value) == 0 {
		t.Errorf("listed %+v, %v; want two keys with values", seen, err)
	}
}

// Seen to fail with Count leaving out where the range ends: one key.
func TestKeysAreCounted(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	last := commit(t, s, put("topics/a/1"), put("topics/b/1"), put("topics/b/2"), put("topics0"), put("topic")).Rev
	if n, rev, err := s.Count(timeout(t), Range{Below: "topics/"}); err != nil || n != 3 || rev != last {
		t.Errorf("counted %d at revision %d, %v; want 3 at %d", n, rev, err, last)
	}
}

func TestReadTakesAnyNumberOfKeys(t *testing.T) {
	t.Parallel()
	s := open(t, etcdtest.Start(t).Endpoints())
	commit(t, s, put("state/a/7"), put("state/a/299"))
	var paths []string
	for i := range 300 {
		paths = append(paths, fmt.Sprintf("state/a/%d", i))
	}
	found, err := s.Read(timeout(t), paths...)
	if err != nil || len(found) != 300 {
		t.Fatalf("%d records, %v", len(found), err)
	}
	for i, r := range found {
		if there := i == 7 || i == 299; r.Path != paths[i] || r.Deleted == there {
			t.Errorf("read %+v for %s", r, paths[i])
		}
	}
}

func TestALeaseIsShared(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	for i, want := range []bool{false, true} {
		existed, err := open(t, e.Endpoints()).Share(timeout(t), 7<<16, time.Minute)
		if err != nil || existed != want {
			t.Errorf("share %d: existed %v, %v; want %v", i, existed, err, want)
		}
	}
}

// A restored store is first of all told to whoever holds resources. Seen to fail with FollowRange beginning a life of its own:
// commits were taken before Follow had been called again.
func TestARangeDoesNotHideThatTheStoreWasRestored(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	s := open(t, e.Endpoints())
	e.Stop()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(e.Dir)); err != nil {
		t.Fatal(err)
	}
	e.Start(t)
	f := followRange(t, s, Range{Below: "topics/"})
	f.complete()
	for range 5 {
		f.reaches(commit(t, s, put("topics/a/1")).Rev)
	}
	e.Stop()
	e.Dir = backup
	e.Start(t)
	late := timeout(t)
	for err := error(nil); err == nil; {
		select {
		case <-f.batches:
		case <-late.Done():
			t.Fatal("FollowRange goes on")
		case err = <-f.end:
		}
	}
	if err := s.FollowRange(timeout(t), Range{Below: "topics/"}, nil); !errors.Is(err, cluster.ErrRestored) {
		t.Errorf("followed again before Follow: %v; want %v", err, cluster.ErrRestored)
	}
	if _, err := s.Commit(timeout(t), []cluster.Op{put("topics/a/1")}); !errors.Is(err, cluster.ErrRestored) {
		t.Errorf("a commit before the next Follow: %v; want %v", err, cluster.ErrRestored)
	}
	follow(t, s).complete()
	if told := records(followRange(t, s, Range{Below: "topics/"}).complete()); len(told) != 0 {
		t.Errorf("the restored store was listed as %+v; want nothing", told)
	}
}
