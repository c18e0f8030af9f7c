package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// What is on record of a webhook is told, what is to be decided is understood or refused with what is wrong, and a dry run asks nobody.
func TestDeliveries(t *testing.T) {
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	node := newNode()
	server := httptest.NewServer(New(Options{
		Cluster: node.cluster(), Node: "a", Metrics: http.NotFoundHandler(), Webhooks: webhook.NewOperator(store),
	}))
	t.Cleanup(server.Close)
	d := &desk{server, t, store}
	const ref, other = "0000000000000002~orders~o-1", "0000000000000003~orders~o-2"
	shop := cluster.Key{Kind: webhook.Kind, ID: "shop"}
	for path, value := range map[string]string{
		cluster.ResourcePath(shop):            `{}`,
		cluster.StatePath(shop, "cursor"):     `{"topics": ["orders"], "at": {"rev": "9", "name": "orders/o-9"}}`,
		cluster.StatePath(shop, "dead/"+ref):  `{"attempt": 3, "since": "2026-01-01T00:00:00Z", "status": 404, "reason": "it answered 404"}`,
		cluster.StatePath(shop, "doubt/"+ref): `{"attempt": 1, "since": "2026-01-01T00:00:00Z"}`, cluster.StatePath(shop, "doubt/"+other): `{"since": "2026-01-02T00:00:00Z"}`,
	} {
		if _, err := store.Commit(t.Context(), []cluster.Op{{Path: path, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "webhook/shop/deliveries", "", 200, `"cursor": "9/orders/o-9"`},
		{"GET", "webhook/shop/deliveries?state=dead,waiting", "", 200, `"reason": "it answered 404"`},
		{"GET", "webhook/shop/deliveries?since=2026-01-01T12:00:00Z", "", 200, other},
		{"GET", "webhook/shop/deliveries?limit=1", "", 200, `"left": 2`},
		{"GET", "webhook/shop/deliveries?state=done", "", 400, "the states are sending, waiting, in_doubt and dead"},
		{"GET", "webhook/shop/deliveries?since=now", "", 400, "how long ago"},
		{"GET", "webhook/shop/deliveries?limit=0", "", 400, "from 1 to 10000"},
		{"GET", "webhook/shop/deliveries?dead=1", "", 400, "unknown parameter"},
		{"GET", "webhook/shpo/deliveries", "", 404, "no resource webhook/shpo"},
		{"GET", "websocket/a/deliveries", "", 404, "only resources of kind webhook"},
		{"POST", "webhook/shop/replay", `{"all": "in_doubt", "dry_run": true}`, 200, other},
		{"POST", "webhook/shop/replay", `{"after": "0", "dry_run": true}`, 200, `"after": "0"`},
		{"POST", "webhook/shop/drop", `{"events": ["o-1"], "dry_run": true}`, 400, "is the name of"},
		{"POST", "webhook/shop/drop", `{"events": ["o-3"], "dry_run": true}`, 404, "did you mean"},
		{"POST", "webhook/shop/drop", `{"after": "0"}`, 400, "can't be dropped"},
		{"POST", "webhook/shop/replay", `{"after": "x"}`, 400, "read position"},
		{"POST", "webhook/shop/replay", `{"since": "x"}`, 400, "how long ago"},
		{"POST", "webhook/shop/replay", `{"al": "dead"}`, 400, "unknown field"},
		{"POST", "webhook/shop/replay", ``, 400, "the body is not"},
		{"POST", "webhook/shop/replay?all=dead", `{}`, 400, "unknown parameter"},
		{"GET", "webhook/shop/replay", "", 405, "only POST"},
	} {
		status, said := d.ask(c.method, "/v1/resources/"+c.path, c.body)
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s %s %s: %d %s; want %d, %s", c.method, c.path, c.body, status, said, c.status, c.says)
		}
	}
	err = store.List(t.Context(), lease.Range{Below: "asks/"}, func(b cluster.Batch) error {
		if len(b.Records) > 0 {
			t.Errorf("a dry run has asked: %+v", b.Records)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a request, and returns the status and the answer as it is.
func (d *desk) ask(method, path, body string) (int, string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	request.Host = "localhost"
	d.Config.Handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

// Each error of an operator has a status by which a program can tell what to do.
func TestErrorsOfOperatorsHaveTheirStatus(t *testing.T) {
	s := &server{Options: Options{Cluster: newNode().cluster()}}
	for err, want := range map[error]int{
		cluster.ErrNoResource: 404, webhook.ErrNoEvent: 404, webhook.ErrWrong: 400, webhook.ErrRefused: 409, state.ErrUnanswered: 504,
	} {
		var p problem
		if got := s.explain(fmt.Errorf("do it: %w", err), cluster.Key{Kind: webhook.Kind, ID: "shop"}); !errors.As(got, &p) || p.status != want {
			t.Errorf("%v: %v; want status %d", err, got, want)
		}
	}
}
