package httppoll

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// within is how long a test waits for what should happen at once: long enough for a loaded machine.
const within = time.Minute

// rig is a node's part of what polls need, on a real etcd, and what has come out of its standard output.
type rig struct {
	*Runner
	t     testing.TB
	store *lease.Store

	mu      sync.Mutex
	out     bytes.Buffer
	dropped map[string]int
	shown   map[string]cluster.Condition // by resource
}

func newRig(t testing.TB) *rig {
	t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints(), RequestTimeout: within})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	book := state.Open(store, state.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := book.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	r := &rig{t: t, store: store, dropped: map[string]int{}, shown: map[string]cluster.Condition{}}
	meter := resources.Meter{Dropped: func(_, reason string, n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.dropped[reason] += n
	}}
	clients := post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	r.Runner = New(Options{
		Pulls: pull.NewSet(pull.Options{Clients: clients, Budgets: resources.NewBudgets(func() int { return 1 }, meter), Agent: "drm/test"}), Book: book, Meter: meter,
		Sinks: sink.NewSet(sink.Options{Stdout: r, Clients: clients, Meter: meter}),
	})
	return r
}

// Write is the standard output.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

// got returns what has come out since it was last asked, as id=data.
func (r *rig) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for line := range strings.Lines(r.out.String()) {
		var e struct {
			ID         string
			Data       json.RawMessage
			DataBase64 string `json:"data_base64"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.t.Fatalf("%s: %v", line, err)
		}
		got = append(got, e.ID+"="+string(e.Data)+e.DataBase64)
	}
	r.out.Reset()
	return got
}

// state returns what is reported of a resource.
func (r *rig) state(id string) cluster.Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown[id]
}

// claim claims a resource anew, as its next holder does.
func (r *rig) claim(id, spec string) cluster.Claim {
	r.t.Helper()
	k := cluster.Key{Kind: Kind, ID: id}
	answer, err := r.store.Commit(r.t.Context(), []cluster.Op{{Path: cluster.ClaimPath(k), Value: []byte(`{"node":"a"}`)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return cluster.Claim{
		Key: k, Spec: json.RawMessage(spec), Epoch: answer.Rev, Node: "a", Held: r.t.Context(),
		Report: func(c cluster.Condition) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.shown[id] = c
		},
	}
}

// hold begins a run that polls when the test says so.
func (r *rig) hold(id, spec string) *hold {
	r.t.Helper()
	h, err := r.begin(r.t.Context(), r.claim(id, spec))
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// once makes one poll.
func once(h *hold) error { return h.loop.Poll(h.poll) }

// is expects a state, and that its error says something.
func (r *rig) is(id, state, says string) {
	r.t.Helper()
	c := r.state(id)
	if c.State != state || says == "" && c.Err != nil || says != "" && (c.Err == nil || !strings.Contains(c.Err.Error(), says)) {
		r.t.Errorf("%s is %q (%v); want %q (%s)", id, c.State, c.Err, state, says)
	}
}

// server answers as the test says and notes what it was asked.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []*http.Request
}

func serve(t testing.TB, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// now has it answer otherwise.
func (s *server) now(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// queries returns what was asked for since it was last called.
func (s *server) queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.asked {
		all = append(all, r.URL.RequestURI())
	}
	s.asked = nil
	return all
}

// spec is a spec for the server, with more fields.
func (s *server) spec(t testing.TB, fields string) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"url": %q, "network": {"allow_http": true, "ports": [%s]}, "min_interval": "100ms"%s}`, s.URL+"/l", u.Port(), fields)
}

// says answers with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
