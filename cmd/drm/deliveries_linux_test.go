package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/drm-cluster/drm/cluster"
)

// shop is a receiver that takes some events, and all once it is mended.
type shop struct {
	*httptest.Server
	host   string
	mended atomic.Bool
}

// ServeHTTP implements http.Handler: it answers by the event's id.
func (r *shop) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if _, err := io.Copy(io.Discard, q.Body); err != nil {
		return
	}
	id := q.Header.Get("Webhook-Id")
	switch {
	case id == "o-4":
		http.Error(w, "no such customer", http.StatusBadRequest)
	case r.mended.Load():
	case id == "o-2":
		http.Error(w, "closed until noon", http.StatusServiceUnavailable)
	case id == "o-3":
		panic(http.ErrAbortHandler) // the connection ends, without an answer
	}
}

// sell puts a webhook and publishes events of which one is taken, one refused for now, one left without an answer and one refused for good.
func (s *site) sell() {
	s.t.Helper()
	r := &shop{}
	r.Server = httptest.NewServer(r)
	s.t.Cleanup(r.Close)
	u, err := url.Parse(r.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	r.host, s.shop = u.Host, r
	spec := fmt.Sprintf(`{"url": "%s/in", "topics": ["orders"], "concurrency": 1, "retry": {"schedule": ["1h"], "jitter": 0},
		"breaker": {"failures": 0}, "requires": {"node": "c"}, "network": {"allow_http": true, "ports": [%s]}}`, r.URL, u.Port())
	if err := s.Put(s.ctx, cluster.ResourcePath(cluster.Key{Kind: "webhook", ID: "shop"}), spec); err != nil {
		s.t.Fatal(err)
	}
	for n := range 4 {
		if code, _, stderr := call(s.env, "publish", "orders", "--id", fmt.Sprint("o-", n+1), "--data", "{}"); code != exitOK {
			s.t.Fatal(stderr)
		}
	}
	s.kept("the trouble", func(names, noted string) bool {
		return strings.Contains(names, "dead/") && strings.Contains(noted, "in_doubt")
	})
}

// delivered waits until nothing is in doubt or waits any more.
func (s *site) delivered() {
	s.t.Helper()
	s.kept("that all is well", func(names, noted string) bool {
		return !strings.Contains(names, "doubt/") && !strings.Contains(names, "waiting/") && noted == "[]"
	})
}

// kept waits until the names of what is kept of the webhook, and what is noted of trouble with it, are as they should be.
func (s *site) kept(what string, so func(names, noted string) bool) {
	s.t.Helper()
	eventually(s.t, what, func() bool {
		state, err := s.etcd.Get(s.ctx, "/drm/state/webhook/shop/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			s.t.Fatal(err)
		}
		status, err := s.etcd.Get(s.ctx, "/drm/status/webhook/shop")
		if err != nil {
			s.t.Fatal(err)
		}
		return so(fmt.Sprint(state.Kvs), fmt.Sprint(status.Kvs))
	})
}
