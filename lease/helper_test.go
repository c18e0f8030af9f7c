package lease

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// within is how long a test waits for what should happen at once: long enough for a loaded machine.
const within = time.Minute

func open(t *testing.T, endpoints []string, configure ...func(*Config)) *Store {
	t.Helper()
	// A loaded machine may take longer than the default for a request.
	cfg := Config{Endpoints: endpoints, FreshEvery: 50 * time.Millisecond, RequestTimeout: 30 * time.Second}
	for _, c := range configure {
		c(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

// following is a Follow under way.
type following struct {
	t       *testing.T
	batches chan cluster.Batch
	end     chan error
	stop    func()
}

func follow(t *testing.T, s *Store) *following {
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{t, make(chan cluster.Batch), make(chan error, 1), cancel}
	var running sync.WaitGroup
	running.Go(func() { f.end <- s.Follow(ctx, f.batches) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

// until reads batches until one pleases, and returns all that were read.
func (f *following) until(what string, pleases func(cluster.Batch) bool) []cluster.Batch {
	f.t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	var read []cluster.Batch
	for {
		select {
		case b := <-f.batches:
			if read = append(read, b); pleases(b) {
				return read
			}
		case err := <-f.end:
			f.t.Fatalf("waiting for %s: Follow ended: %v", what, err)
		case <-late.C:
			f.t.Fatalf("waiting for %s: got %d batches", what, len(read))
		}
	}
}

func (f *following) complete() []cluster.Batch {
	f.t.Helper()
	return f.until("a whole listing", func(b cluster.Batch) bool { return b.Complete })
}

// reaches reads until everything up to a revision has been told, and returns the records.
func (f *following) reaches(rev int64) []cluster.Record {
	f.t.Helper()
	return records(f.until("a revision", func(b cluster.Batch) bool { return b.Rev >= rev && (!b.Listing || b.Complete) }))
}

func records(batches []cluster.Batch) []cluster.Record {
	var all []cluster.Record
	for _, b := range batches {
		all = append(all, b.Records...)
	}
	return all
}

func put(path string) cluster.Op { return cluster.Op{Path: path, Value: []byte(path)} }

func commit(t *testing.T, s *Store, ops ...cluster.Op) cluster.Answer {
	t.Helper()
	a, err := s.Commit(timeout(t), ops)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func grant(t *testing.T, s *Store, id cluster.LeaseID, ttl time.Duration) {
	t.Helper()
	if _, err := s.Grant(timeout(t), id, ttl); err != nil {
		t.Fatal(err)
	}
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("the error is %v; want it to say %q", err, w)
		}
	}
}

// proxy passes connections on to etcd; while deaf it loses what etcd answers, and when slow it takes its time.
type proxy struct {
	Endpoint string
	deaf     atomic.Bool
	slow     atomic.Int64 // bytes a second; 0: no limit

	mu   sync.Mutex
	open []net.Conn
}

func newProxy(t *testing.T, endpoint string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Endpoint: "http://" + l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
			if err != nil {
				near.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, near, far)
			p.mu.Unlock()
			running.Go(func() { _, _ = io.Copy(far, near); far.Close() })
			running.Go(func() { _, _ = io.Copy(hearing{near, p}, far); near.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		running.Wait()
	})
	return p
}

// cut ends every connection and lets the proxy hear again.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
	p.deaf.Store(false)
}

type hearing struct {
	net.Conn
	p *proxy
}

func (h hearing) Write(b []byte) (int, error) {
	if h.p.deaf.Load() {
		return len(b), nil
	}
	if slow := h.p.slow.Load(); slow > 0 {
		<-time.After(time.Duration(len(b)) * time.Second / time.Duration(slow))
	}
	return h.Conn.Write(b)
}

// wait lets time pass for something outside this process's reach, which tells of no event.
func wait(t *testing.T, what string, d time.Duration) {
	t.Helper()
	if err := pause(t.Context(), d); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// eventually looks again and again until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(within); !holds(); {
		if time.Now().After(late) {
			t.Fatalf("waiting for %s: not within %v", what, within)
		}
		wait(t, what, time.Millisecond)
	}
}

// waitSent waits until a stream has sent so many unanswered requests for a lease, and returns when that was seen.
func waitSent(t *testing.T, st *stream, id cluster.LeaseID, n int) cluster.Instant {
	t.Helper()
	eventually(t, "requests to be sent", func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		return len(st.sent[id]) >= n
	})
	return Boottime()
}

// waitAcks waits until a round has had so many answers.
func waitAcks(t *testing.T, r *round, n int) (acks []cluster.Ack) {
	t.Helper()
	eventually(t, "acks", func() bool {
		more, _ := r.take()
		acks = append(acks, more...)
		return len(acks) >= n
	})
	return acks
}
