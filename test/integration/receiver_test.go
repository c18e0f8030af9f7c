//go:build linux

package integration

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver counts the POSTs that arrive, by path and event, and answers them as its script says.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	posts   map[string]int // "path event", whole requests
	bodies  map[string][]string
	fences  map[string][]string
	off     map[string]time.Time // when an unanswered POST was called off
	changed chan struct{}
	mended  chan struct{} // closed: from now on everything is taken
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{posts: map[string]int{}, bodies: map[string][]string{}, fences: map[string][]string{}, off: map[string]time.Time{}, changed: make(chan struct{}), mended: make(chan struct{})}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	t.Cleanup(r.CloseClientConnections)
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	name := q.URL.Path + " " + q.Header.Get("Webhook-Id")
	r.mu.Lock()
	r.posts[name]++
	r.bodies[name] = append(r.bodies[name], string(body))
	r.fences[name] = append(r.fences[name], q.Header.Get("Drm-Fence"))
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	select {
	case <-r.mended:
		return
	default:
	}
	switch {
	case strings.Contains(q.URL.Path, "unanswered"):
		<-q.Context().Done()
		r.note(func() { r.off[name] = time.Now() })
	case strings.Contains(q.URL.Path, "refused"):
		w.WriteHeader(http.StatusServiceUnavailable)
	case strings.Contains(q.URL.Path, "gone"):
		w.WriteHeader(http.StatusGone)
	case strings.Contains(q.URL.Path, "slow"):
		select {
		case <-r.mended:
		case <-q.Context().Done():
		}
	}
}

func (r *receiver) note(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what()
	close(r.changed)
	r.changed = make(chan struct{})
}

// count returns how many POSTs of an event have come to a path.
func (r *receiver) count(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts[name]
}
