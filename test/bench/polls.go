//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources/httppoll"
)

const (
	// pollPace is how often a poll of any resource is due: with 10,000 of them, each has its turn once a minute. Fewer have shorter intervals, so
	// that as many requests come in a second however many resources there are.
	pollPace = 6 * time.Millisecond
	// pollStart is after which time polls that begin at once have come to their own times.
	pollStart = 11 * time.Second
)

// polled is an API that has nothing new. It shares its process with what measures, which does nothing meanwhile.
type polled struct {
	mu     sync.Mutex
	came   []time.Time
	under  map[string]bool
	atOnce int // requests for what was being asked for already
}

func (p *polled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.came = append(p.came, time.Now())
	if p.under[r.URL.Path] {
		p.atOnce++
	}
	p.under[r.URL.Path] = true
	p.mu.Unlock()
	w.Header().Set("ETag", `"same"`)
	if r.Header.Get("If-None-Match") != "" {
		w.WriteHeader(http.StatusNotModified)
	} else {
		fmt.Fprint(w, "same")
	}
	p.mu.Lock()
	p.under[r.URL.Path] = false
	p.mu.Unlock()
}

// since returns how many requests came in each whole second from a moment on.
func (p *polled) since(from time.Time, seconds int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make([]int, seconds)
	for _, at := range p.came {
		if i := int(at.Sub(from) / time.Second); at.After(from) && i < seconds {
			counts[i]++
		}
	}
	return counts
}

// polls: resources that are polled at one interval are polled evenly over it, before a worker dies and after.
func polls(ctx context.Context, s *stage) (rows []row, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve what is polled: %w", err)
	}
	api := &polled{under: map[string]bool{}}
	server := &http.Server{Handler: api}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // it ends when it is closed
	defer func() {
		err = errors.Join(err, server.Close())
		serving.Wait()
	}()
	if err := s.start(ctx, nil, nil); err != nil {
		return nil, err
	}
	empty, err := s.rss(ctx)
	if err != nil {
		return nil, err
	}
	interval := time.Duration(s.n) * pollPace
	specs := map[string]string{}
	for i := range s.n {
		k := cluster.Key{Kind: httppoll.Kind, ID: fmt.Sprintf("p%d", i)}
		specs[cluster.ResourcePath(k)] = fmt.Sprintf(
			`{"url": "http://%s/%s", "interval": %q, "host_limit": {"concurrency": 16}, "network": {"allow_http": true, "ports": [%d]}}`,
			l.Addr(), k.ID, interval, l.Addr().(*net.TCPAddr).Port)
	}
	if err := s.PutAll(ctx, specs); err != nil {
		return nil, err
	}
	if rows, err = s.evenly(ctx, api, interval, "polls at an interval of "+interval.String()); err != nil {
		return nil, err
	}
	full, err := s.rss(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, count("memory per idle poll, all of drm", s.n, float64(full-empty)/float64(s.n)/(1<<10), "KiB"))
	s.Nodes()[0].Worker.Kill()
	after, err := s.evenly(ctx, api, interval, "… after a worker was killed")
	return append(append(rows, after...), count("polls of one resource that overlapped, ever", s.n, float64(api.atOnce), "").exactly(0)), err
}

// evenly measures how evenly requests come over whole intervals, at least twenty seconds, once all have come to their times.
func (s *stage) evenly(ctx context.Context, api *polled, interval time.Duration, what string) ([]row, error) {
	span := interval
	for span < 20*time.Second {
		span += interval
	}
	if err := calm(ctx, s.b.ttl+pollStart+interval/10); err != nil {
		return nil, err
	}
	from := time.Now()
	if err := calm(ctx, span); err != nil {
		return nil, err
	}
	counts := api.since(from, int(span/time.Second))
	sum, most := 0, 0
	for _, n := range counts {
		sum, most = sum+n, max(most, n)
	}
	mean, chi := float64(sum)/float64(len(counts)), 0.0
	for _, n := range counts {
		chi += (float64(n) - mean) * (float64(n) - mean) / mean
	}
	due := span.Seconds() / interval.Seconds() * float64(s.n) * float64(len(counts)) / span.Seconds()
	return []row{
		count(what+": of those due", s.n, 100*float64(sum)/due, "%").atLeast(97),
		count("  most in a second, for each in the mean", s.n, float64(most)/mean, "").atMost(1.3),
		count("  χ² of the seconds, for each degree of freedom; 1 is pure chance", s.n, chi/float64(len(counts)-1), "").atMost(2),
	}, nil
}
