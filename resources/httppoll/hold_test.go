package httppoll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/state"
)

// What one holder has found out goes to the next: a 304 stays a 304, and what was delivered does not come again. A spec that asks for something
// else begins anew. Seen to fail without each of ETag, print and window on record, and with validators sent whatever was asked.
func TestStateGoesAlong(t *testing.T) {
	rig := newRig(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, `[1, 2]`)
	})
	for name, fields := range map[string]string{"changed": "", "items": `, "emit": "items"`} {
		want := map[string]int{"changed": 1, "items": 2}[name]
		for run := range 3 {
			h := rig.hold(name, s.spec(t, fields+[]string{"", "", `, "conditional": false`}[run]))
			if err := once(h); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			tag := s.asked[len(s.asked)-1].Header.Get("If-None-Match")
			s.mu.Unlock()
			if got := rig.got(); len(got) != want || (tag != "") != (run == 1) {
				t.Errorf("%s, run %d: %v with If-None-Match %q", name, run, got, tag)
			}
			want = 0
		}
		h := rig.hold(name, s.spec(t, fields+`, "items": "data"`))
		if err := once(h); err != nil {
			t.Fatal(err)
		}
		if got := rig.got(); len(got) != map[string]int{"changed": 1}[name] {
			t.Errorf("%s, another question: %v", name, got)
		}
	}
}

// A holder that loses its claim between the sink's word and its own record leaves nothing behind, and its successor sends the same again under the
// same ids: twice, but never not at all. Seen to fail with the record written before the sink was asked (lost), and with ids that count up.
func TestEndBetweenSinkAndRecord(t *testing.T) {
	rig := newRig(t)
	source := serve(t, says(`[{"id": "a"}, {"id": "b"}]`))
	receiver := serve(t, func(http.ResponseWriter, *http.Request) { rig.claim("a", "") })
	spec := source.spec(t, fmt.Sprintf(`, "emit": "items", "id": "data.id", "sink": {"type": "http", "url": %q}`, receiver.URL))
	if err := once(rig.hold("a", spec)); !errors.Is(err, state.ErrFenced) {
		t.Fatalf("the first holder: %v", err)
	}
	receiver.now(says(""))
	h := rig.hold("a", spec)
	for range 2 {
		if err := once(h); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, r := range receiver.asked {
		ids = append(ids, r.Header.Get("Webhook-Id"))
	}
	if got := strings.Join(ids, " "); got != "a b a b" {
		t.Errorf("the receiver got %s", got)
	}
}

// While the sink takes nothing, nothing is asked for: what waits is one page. That is said, and is over as soon as it takes something. Seen to
// fail with Send in a goroutine of its own.
func TestSinkDown(t *testing.T) {
	rig := newRig(t)
	n := 0
	source := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, "[%d]", n)
	})
	var refused atomic.Int32
	receiver := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if refused.Add(1) < 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		rig.is("a", resources.StateSinkBlocked, "503")
		if asked := source.queries(); len(asked) != 1 {
			t.Errorf("the source was asked %d times", len(asked))
		}
	})
	h := rig.hold("a", source.spec(t, fmt.Sprintf(
		`, "emit": "items", "sink": {"type": "http", "url": %q, "retry": {"initial": "10ms", "max": "20ms"}}`, receiver.URL)))
	if err := once(h); err != nil {
		t.Fatal(err)
	}
	rig.is("a", pull.StateReady, "")
}

// A run polls at its times and never twice at once, goes on with a pause that it takes over, and returns as soon as its context ends, even
// amid a request. A healthy poll that finds nothing new writes nothing. Seen to fail with the request made under a context of its own, with
// NextTry not looked at, with every poll written down, and with what is known added again.
func TestRun(t *testing.T) {
	rig := newRig(t)
	var under, most, polls atomic.Int32
	hang := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), under.Add(1)))
		defer under.Add(-1)
		if polls.Add(1) == 10 {
			close(hang)
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `["same"]`)
	})
	claim := rig.claim("a", s.spec(t, `, "interval": "100ms", "splay": false, "emit": "items"`))
	claim.Past = &cluster.Condition{State: resources.StateBackingOff, Err: errors.New("before"), Attempts: 2, NextTry: time.Now().Add(300 * time.Millisecond)}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- rig.Run(ctx, claim) }()
	<-hang
	if took := time.Since(began); took < time.Second || most.Load() != 1 {
		t.Errorf("10 polls took %s, %d at once", took, most.Load())
	}
	over := errors.New("over")
	cancel(over)
	began = time.Now()
	if err := <-ended; !errors.Is(err, over) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	rig.is("a", pull.StateReady, "")
	if got := rig.got(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	revs := map[int64]bool{}
	err := rig.store.List(t.Context(), lease.Range{Below: "state/"}, func(b cluster.Batch) error {
		for _, r := range b.Records {
			revs[r.Rev] = true
			if r.Rev != r.Created {
				t.Errorf("%s was written more than once", r.Path)
			}
		}
		return nil
	})
	if err != nil || len(revs) != 1 {
		t.Errorf("%d writes, %v", len(revs), err)
	}
}

// What is asked of one host by the whole cluster keeps to its rate: each of two nodes, as this one believes to be of, has half of it. Seen to
// fail without Budgets asked.
func TestHostRate(t *testing.T) {
	rig := newRig(t)
	rig.o.Pulls = pull.NewSet(pull.Options{
		Clients: post.NewClients(&resources.Guard{AllowLoopback: true}), Budgets: resources.NewBudgets(func() int { return 2 }, resources.Meter{}),
	})
	s := serve(t, says("same"))
	h := rig.hold("a", s.spec(t, `, "host_limit": {"rate": "20/s"}`))
	began := time.Now()
	for range 4 {
		if err := once(h); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("4 requests took %s; want 300ms at least", took)
	}
}

// Many runs share the turns of one host. Seen to fail with a group for each resource.
func TestHostLimit(t *testing.T) {
	rig := newRig(t)
	var under, most, polls atomic.Int32
	done := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), under.Add(1)))
		_ = resources.Wait(r.Context(), 5*time.Millisecond) // a server takes a while
		fmt.Fprint(w, "same")
		under.Add(-1)
		if polls.Add(1) == 100 {
			close(done)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range 20 {
		claim := rig.claim(fmt.Sprint(i), s.spec(t, `, "interval": "100ms", "splay": false, "host_limit": {"concurrency": 3}`))
		running.Go(func() { _ = rig.Run(ctx, claim) })
	}
	<-done
	cancel()
	running.Wait()
	if most.Load() > 3 {
		t.Errorf("%d requests at once", most.Load())
	}
}
