package source

import (
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
	"github.com/drm-cluster/drm/resources/websocket"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

func TestMain(m *testing.M) {
	etcdtest.MaybeRun()
	os.Exit(m.Run())
}

// rig is a node's part of what sources need, on a real etcd.
type rig struct {
	*Runner
	t         testing.TB
	store     *lease.Store
	endpoints []string

	mu      sync.Mutex
	shown   map[string]cluster.Condition // by source
	changes map[string]int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	endpoints := etcdtest.Start(t).Endpoints()
	store, err := lease.Open(lease.Config{Endpoints: endpoints, RequestTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	clients := post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	r := &rig{t: t, store: store, endpoints: endpoints, shown: map[string]cluster.Condition{}, changes: map[string]int{}}
	sockets := websocket.New(websocket.Options{Sinks: sink.NewSet(sink.Options{Stdout: os.Stdout})})
	r.Runner = New(Options{
		Pulls: pull.NewSet(pull.Options{Clients: clients, Budgets: resources.NewBudgets(func() int { return 1 }, resources.Meter{})}),
		Book:  state.Open(store, state.Options{}), Kinds: []string{websocket.Kind, "webhook"},
		Check: func(_ string, spec json.RawMessage) error { return sockets.Check(spec) },
		Meter: resources.Meter{Sourced: func(change string, n int) { r.changes[change] += n }},
	})
	return r
}

// hold begins a run of a source, as its next holder does.
func (r *rig) hold(id, spec string) *hold {
	r.t.Helper()
	h, err := r.begin(r.t.Context(), r.claim(id, spec))
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *rig) claim(id, spec string) cluster.Claim {
	r.t.Helper()
	k := cluster.Key{Kind: Kind, ID: id}
	return cluster.Claim{
		Key: k, Spec: json.RawMessage(spec), Epoch: r.put(cluster.ClaimPath(k), `{"node":"a"}`), Held: r.t.Context(),
		Report: func(c cluster.Condition) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.shown[id] = c
		},
	}
}

// put puts a key, or deletes it if the value is empty.
func (r *rig) put(path, value string) int64 {
	r.t.Helper()
	answer, err := r.store.Commit(context.Background(), []cluster.Op{{Path: path, Value: []byte(value), Delete: value == ""}})
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.Rev
}

func socket(id string) string { return "resources/websocket/" + id }

func (h *hold) once(t testing.TB) {
	t.Helper()
	if err := h.loop.Poll(h.poll); err != nil {
		t.Fatal(err)
	}
}

// there returns the resources that there are, as id=path of their url.
func (r *rig) there() string {
	r.t.Helper()
	var all []string
	err := r.store.List(r.t.Context(), lease.Range{Below: socket("")}, func(b cluster.Batch) error {
		for _, record := range b.Records {
			var spec struct{ URL string }
			if err := json.Unmarshal(record.Value, &spec); err != nil {
				return err
			}
			all = append(all, strings.TrimPrefix(record.Path, socket(""))+"="+spec.URL[strings.LastIndex(spec.URL, "/")+1:])
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// is expects resources, and of a source that its error says something, or that there is none.
func (r *rig) is(step, want, id, says string) {
	r.t.Helper()
	if got := r.there(); got != want {
		r.t.Errorf("%s: there is %s; want %s", step, got, want)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.shown[id]
	if says == "" && c.Err != nil || says != "" && (c.Err == nil || !strings.Contains(c.Err.Error(), says)) {
		r.t.Errorf("%s: %q (%v); want %s", step, c.State, c.Err, says)
	}
}

// server lists what the test says.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  int
}

func serve(t testing.TB, list string) *server {
	t.Helper()
	s := &server{answer: says(list)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// now has it answer otherwise.
func (s *server) now(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// spec is a spec for the server, with more fields.
func (s *server) spec(t testing.TB, fields string) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"url": %q, "kind": "websocket", "network": {"allow_http": true, "ports": [%s]}%s}`, s.URL, u.Port(), fields)
}

// list is a list of sockets: of each id, the path of its url.
func list(entries ...string) string {
	for i, e := range entries {
		id, path, _ := strings.Cut(e, "=")
		entries[i] = fmt.Sprintf(`{"id": %q, "url": "wss://x.example/%s"}`, id, path)
	}
	return `{"data": [` + strings.Join(entries, ",") + `]}`
}
