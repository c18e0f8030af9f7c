package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	// stuckAfter is how old the loop's last word may be. The loop tells its state several times a second whatever
	// etcd does, so this is far beyond any turn that is merely slow.
	stuckAfter = 30 * time.Second
	// secondLook is how long a loop gets to speak whose last word is old. It is below the second that
	// Kubernetes gives a probe by default.
	secondLook = 700 * time.Millisecond
)

// check is one thing that must be so.
type check struct {
	name string
	err  error // what is wrong, and what to do
}

// live answers whether the process should go on, and nothing else: an orchestrator restarts it when not. It must not
// depend on etcd, or an outage of etcd would have every node restarted, with all that they hold.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	s.report(w, r, []check{{"loop", s.loop(r.Context())}})
}

// ready answers whether the node takes its part: it has a term whose leases are trusted, has made
// its first plan, and is not leaving.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	loop := s.loop(r.Context())
	stats := s.Cluster.Stats()
	s.report(w, r, []check{{"loop", loop}, {"term", term(stats)}, {"trust", trust(stats)}, {"plan", plan(stats)}, {"stays", stays(stats)}})
}

// loop says whether the loop still moves.
//
// Ages are taken on Go's monotonic clock, which stands still while the machine is suspended: one that wakes up is not
// found stuck for having slept. It does not stand still for a process that alone was stopped, by SIGSTOP or a
// frozen container; that one's loop says something within moments, so it is given those.
func (s *server) loop(ctx context.Context) error {
	if silence(s.Cluster.Stats()) <= stuckAfter {
		return nil
	}
	again := time.NewTimer(secondLook)
	defer again.Stop()
	select {
	case <-again.C:
	case <-ctx.Done():
	}
	if d := silence(s.Cluster.Stats()); d > stuckAfter {
		return fmt.Errorf("the node's loop has not moved for %s; restart the process, and report its goroutines if you can",
			d.Round(time.Second))
	}
	return nil
}

// silence is how long the loop has said nothing. One that has not begun to speak is not silent: the process is starting.
func silence(s cluster.Stats) time.Duration {
	if s.At.IsZero() {
		return 0
	}
	return time.Since(s.At)
}

func term(s cluster.Stats) error {
	if s.Term == 0 {
		return errors.New("the node has no term: etcd has given it no lease yet, or it waits to come back after losing one; " +
			"its log says which")
	}
	return nil
}

func trust(s cluster.Stats) error {
	if left := s.Trust - silence(s); s.Term != 0 && left > 0 {
		return nil
	}
	return errors.New("the node's leases are not trusted: etcd has not renewed them in time")
}

func plan(s cluster.Stats) error {
	if !s.Planned {
		return errors.New("the first plan is not made yet: the node has not seen the whole cluster")
	}
	return nil
}

func stays(s cluster.Stats) error {
	if s.Leaving {
		return errors.New("the node is leaving: it hands off what it holds")
	}
	return nil
}

// report tells the outcome of checks as text: 200 when all hold, else 503 with the reasons.
func (s *server) report(w http.ResponseWriter, r *http.Request, checks []check) {
	var body strings.Builder
	status := http.StatusOK
	verbose := r.URL.Query().Has("verbose")
	for _, c := range checks {
		switch {
		case c.err != nil:
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&body, "[-] %s: %v\n", c.name, c.err)
		case verbose:
			fmt.Fprintf(&body, "[+] %s\n", c.name)
		}
	}
	if status == http.StatusOK {
		body.WriteString("ok\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(body.String())) //nolint:errcheck // a caller who is gone needs no answer
}
