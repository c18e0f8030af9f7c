package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// desk is a node to publish at, on a real etcd.
type desk struct {
	*httptest.Server
	t     *testing.T
	store *lease.Store
}

func newDesk(t *testing.T, configure ...func(*embed.Config)) (*desk, *etcdtest.Server) {
	t.Helper()
	e := etcdtest.Start(t, configure...)
	store, err := lease.Open(lease.Config{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	handler := New(Options{
		Cluster: newNode().cluster(), Node: "a", Metrics: http.NotFoundHandler(), Publish: events.NewPublisher(store).Publish,
		Look: func(ctx context.Context, topic string, after *events.Position, most int) (events.Excerpt, error) {
			return events.Look(ctx, store, topic, after, most)
		},
	})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &desk{server, t, store}, e
}

// post publishes, and returns the status and the answer; headers are written as name: value.
func (d *desk) post(topic, body string, headers ...string) (int, map[string]any) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.URL+"/v1/events/"+topic, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// stored returns the value of an event.
func (d *desk) stored(path string) string {
	d.t.Helper()
	found, err := d.store.Read(d.t.Context(), "topics/"+path)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(found[0].Value)
}

const (
	asJSON  = "Content-Type: application/json"
	asEvent = "Content-Type: application/cloudevents+json"
	asBatch = "Content-Type: application/cloudevents-batch+json"
)

// Seen to fail with attributes of headers left out.
func TestAnEventIsPublishedInEveryForm(t *testing.T) {
	d, _ := newDesk(t)
	for id, c := range map[string]struct {
		body    string
		headers []string
		want    string // in what is stored
	}{
		"plain":      {`{"n":1}`, []string{asJSON, "Idempotency-Key: plain"}, `"data":{"n":1}`},
		"binary":     {"…", []string{"Content-Type: text/plain", "ce-id: binary", "ce-type: order.paid", "ce-shard: 7", "ce-subject: caf%C3%A9"}, `"type":"order.paid","subject":"café","datacontenttype":"text/plain","shard":"7","data":"…"`},
		"structured": {`{"specversion":"1.0","id":"structured","source":"/shop","type":"t","rank":3,"data":{"n": 2}}`, []string{asEvent}, `"source":"/shop","rank":"3","data":{"n": 2}`},
		"base64":     {`{"specversion":"1.0","id":"base64","data_base64":"/w=="}`, []string{asEvent}, `"datacontenttype":"application/octet-stream","data_base64":"/w=="`},
	} {
		status, answer := d.post("orders", c.body, c.headers...)
		if status != http.StatusCreated || answer["id"] != id || answer["duplicate"] != false || answer["position"] == "" {
			t.Errorf("%s: %d %v", id, status, answer)
		}
		if value := d.stored("orders/" + id); !strings.Contains(value, c.want) {
			t.Errorf("%s is stored as %s; want %s in it", id, value, c.want)
		}
		if status, answer = d.post("orders", c.body, c.headers...); status != http.StatusOK || answer["duplicate"] != true {
			t.Errorf("%s again: %d %v", id, status, answer)
		}
	}
	status, answer := d.post("orders", `{"n":2}`, asJSON, "ce-id: plain")
	if status != http.StatusConflict || answer["error"] == nil {
		t.Errorf("another event of the same id: %d %v", status, answer)
	}
	_, first := d.post("orders", `1`, asJSON, "ce-id: a.b/c")
	if status, again := d.post("orders", `1`, asJSON, "ce-id: a.b/c"); status != http.StatusOK || again["id"] != first["id"] {
		t.Errorf("an id that not every receiver can take: %d %v after %v", status, again, first)
	}
}

// Seen to fail with tellBatch answering 200 whatever was refused.
func TestABatchTellsOfEach(t *testing.T) {
	d, _ := newDesk(t)
	status, answer := d.post("orders", `[{"specversion":"1.0","id":"a"},{"specversion":"1.0","id":"b","data":1}]`, asBatch)
	if told, _ := answer["events"].([]any); status != http.StatusOK || len(told) != 2 || d.stored("orders/b") == "" {
		t.Errorf("a batch: %d %v", status, answer)
	}
	status, answer = d.post("orders", `[{"specversion":"1.0","id":"b","data":2},{"specversion":"1.0","id":"c"}]`, asBatch)
	if told, _ := answer["events"].([]any); status != http.StatusConflict || len(told) != 2 || d.stored("orders/c") == "" {
		t.Errorf("a batch with a conflict: %d %v", status, answer)
	}
}

// Seen to fail with each of these taken out: that specversion must be there, that a body must not be encoded, and what is told of its size.
func TestWhatIsNoEventIsRefused(t *testing.T) {
	d, _ := newDesk(t)
	for _, c := range []struct {
		want               int
		topic, body, says  string
		contentType, other string
	}{
		{400, "or%20ders", `1`, "topic", asJSON, ""},
		{400, "orders?x=1", `1`, "x", asJSON, ""},
		{400, "orders", `{`, "not JSON", asJSON, ""},
		{400, "orders", `{"id":"a"}`, "specversion", asEvent, ""},
		{400, "orders", `{"specversion":"0.3"}`, "only 1.0", asEvent, ""},
		{400, "orders", `{"specversion":"1.0","time":"now"}`, "write it like", asEvent, ""},
		{400, "orders", `{"specversion":"1.0","data":1,"data_base64":""}`, "both", asEvent, ""},
		{400, "orders", `{"specversion":"1.0","data_base64":"?"}`, "base64", asEvent, ""},
		{400, "orders", `{"specversion":"1.0","x":{}}`, "neither a string", asEvent, ""},
		{400, "orders", `{"specversion":"1.0","X":"1"}`, "lower-case", asEvent, ""},
		{400, "orders", `{}`, "no JSON array", asBatch, ""},
		{400, "orders", `1`, "Idempotency-Key", "ce-id: a", "Idempotency-Key: b"},
		{413, "orders", strings.Repeat("x", events.MaxBytes+1), "larger", "Content-Type: text/plain", ""},
		{413, "orders", strings.Repeat("\x00", events.MaxBytes), "reference", "Content-Type: text/plain", ""},
		{415, "orders", `a=1`, "curl", "Content-Type: application/x-www-form-urlencoded", ""},
		{415, "orders", `<e/>`, "not understood", "Content-Type: application/cloudevents+xml", ""},
		{415, "orders", `1`, "gzip", asJSON, "Content-Encoding: gzip"},
	} {
		headers := []string{c.contentType}
		if c.other != "" {
			headers = append(headers, c.other)
		}
		status, answer := d.post(c.topic, c.body, headers...)
		if said := fmt.Sprint(answer["error"]); status != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%.60s: %d %s; want %d and %q", c.body, status, said, c.want, c.says)
		}
	}
}

// Seen to fail with a refusal of etcd answered as the publisher's fault.
func TestAFullOrAbsentStoreIsNoFaultOfThePublisher(t *testing.T) {
	d, e := newDesk(t, func(c *embed.Config) { c.QuotaBackendBytes = 2 << 20 })
	big := `"` + strings.Repeat("x", 900_000) + `"`
	for i := 0; ; i++ {
		status, answer := d.post("orders", big, asJSON)
		if status == http.StatusCreated && i < 10 {
			continue
		}
		if said := fmt.Sprint(answer["error"]); status != http.StatusServiceUnavailable || !strings.Contains(said, "alarm disarm") {
			t.Errorf("a full store: %d %.300s", status, said)
		}
		break
	}
	e.Stop()
	status, answer := d.post("orders", `1`, asJSON)
	if said := fmt.Sprint(answer["error"]); status != http.StatusServiceUnavailable || !strings.Contains(said, "with this id") || answer["id"] == nil {
		t.Errorf("no store: %d %v", status, answer)
	}
}

// Seen to fail with publish waiting for its place.
func TestWhoPublishesTooMuchIsToldToWait(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(New(Options{
		Cluster: newNode().cluster(), Node: "a", Metrics: http.NotFoundHandler(),
		Publish: func(_ context.Context, es []events.Event) []events.Receipt {
			begun <- struct{}{}
			<-end
			return make([]events.Receipt, len(es))
		},
	}))
	defer server.Close()
	post := func() *http.Response {
		response, err := http.Post(server.URL+"/v1/events/orders", "application/json", strings.NewReader("1"))
		if err != nil {
			t.Error(err)
			return nil
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return response
	}
	answered := make(chan *http.Response, maxPublishing)
	for range maxPublishing {
		go func() { answered <- post() }()
		select {
		case <-begun:
		case <-time.After(time.Minute):
			t.Fatal("a request has not begun")
		}
	}
	if r := post(); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "1" {
		t.Errorf("one too many: %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	close(end)
	for range maxPublishing {
		if r := <-answered; r.StatusCode != http.StatusCreated {
			t.Errorf("one that had begun: %d", r.StatusCode)
		}
	}
}
