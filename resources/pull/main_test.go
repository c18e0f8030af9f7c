package pull

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// server notes the headers of the requests that it gets.
type server struct {
	*httptest.Server
	mu  sync.Mutex
	got []http.Header
}

func serve(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.got = append(s.got, r.Header)
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// last returns the headers that came last.
func (s *server) last() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[len(s.got)-1]
}

// read reads a spec from fields, for a server of the test.
func read(t *testing.T, to, fields string) *Spec {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	s := Defaults()
	text := fmt.Sprintf(`{"url": %q, "network": {"allow_http": true, "ports": [%s]}%s}`, to, u.Port(), fields)
	if err := resources.Decode([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return &s
}

// open returns a Puller for a server of the test, and counts what it tells the meter.
func open(t *testing.T, to, fields string) (*Puller, map[string]int) {
	t.Helper()
	clients := post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	results := map[string]int{}
	var mu sync.Mutex
	set := NewSet(Options{Clients: clients, Budgets: resources.NewBudgets(func() int { return 2 }, resources.Meter{}), Agent: "drm/test", Meter: resources.Meter{
		Polls: func(kind, result string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			results[kind+" "+result]++
		},
	}})
	return set.Open(read(t, to, fields), claim("a")), results
}

func claim(id string) cluster.Claim {
	return cluster.Claim{Key: cluster.Key{Kind: "http_poll", ID: id}, Epoch: 41}
}
