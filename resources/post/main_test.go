package post

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// target reads a target from the fields of a spec.
func target(t *testing.T, url, fields string) *Target {
	t.Helper()
	to := DefaultTarget()
	if err := resources.Decode([]byte(`{"url": "`+url+`"`+fields+`}`), &to); err != nil {
		t.Fatal(err)
	}
	if err := to.Check(nil); err != nil {
		t.Fatal(err)
	}
	return &to
}

// open returns a Poster that may connect to this machine.
func open(t *testing.T, url, fields string, n resources.Network) *Poster {
	t.Helper()
	clients := NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	return clients.Open(target(t, url, fields), n, 0)
}

// hello posts a small message.
func (p *Poster) hello(ctx context.Context) (*Answer, error) {
	return p.Post(ctx, Message{ID: "m1", Header: http.Header{}, Body: []byte("hello")})
}

// server notes the requests that it gets, with their bodies.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func serve(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func fine(http.ResponseWriter, *http.Request) {}

// all returns the values of a header in the requests that came.
func (s *server) all(header string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []string
	for _, r := range s.requests {
		values = append(values, r.Header.Get(header))
	}
	return values
}

// Of an answer no more is read than is of use. Seen to fail without maxAnswer.
func TestAnswerIsBounded(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	a, err := open(t, s.URL, "", resources.Network{}).hello(t.Context())
	if err != nil || len(a.Body) != 64<<10 {
		t.Errorf("%d bytes, %v", len(a.Body), err)
	}
}
