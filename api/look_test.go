package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/events"
)

// get asks for events and returns the status, what there are of them, and where they go on.
func (d *desk) get(query string) (status int, said string, ids []string, next string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.URL+"/v1/events/"+query, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Error string `json:"error"`
		Next  string `json:"next"`
		Items []struct {
			ID   string          `json:"id"`
			Data json.RawMessage `json:"data"`
		} `json:"items"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		d.t.Fatal(err)
	}
	for _, e := range answer.Items {
		ids = append(ids, e.ID+string(e.Data))
	}
	return response.StatusCode, answer.Error, ids, answer.Next
}

// Seen to fail with next told where nothing follows, and with limit not bounded.
func TestATopicIsShown(t *testing.T) {
	d, _ := newDesk(t)
	for i := range 5 {
		d.post("orders", fmt.Sprint(i), asJSON, fmt.Sprintf("ce-id: e%d", i))
	}
	if status, _, ids, next := d.get("orders?limit=2"); status != http.StatusOK || fmt.Sprint(ids) != "[e33 e44]" || next != "" {
		t.Errorf("the last two: %d %v, next %q", status, ids, next)
	}
	var all []string
	for after, pages := "0", 1; after != ""; pages++ {
		_, said, ids, next := d.get("orders?limit=2&after=" + after)
		if len(ids) == 0 || pages > 3 {
			t.Fatalf("page %d: %s %v, next %q", pages, said, ids, next)
		}
		all, after = append(all, ids...), next
	}
	if fmt.Sprint(all) != "[e00 e11 e22 e33 e44]" {
		t.Errorf("all of them: %v", all)
	}
	if status, _, ids, _ := d.get("nothing"); status != http.StatusOK || ids != nil {
		t.Errorf("a topic without events: %d %v", status, ids)
	}
	for query, says := range map[string]string{
		"orders?limit=0": "limit", "orders?limit=1001": "from 1 to 1000", "orders?after=x": "write it as a position", "orders?before=1": "before", "or~ders": "its topic is",
	} {
		if status, said, _, _ := d.get(query); status != http.StatusBadRequest || !strings.Contains(said, says) {
			t.Errorf("%s: %d %s; want 400 and %q", query, status, said, says)
		}
	}
}

// Seen to fail with look waiting for a place.
func TestLooksAreBounded(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	h := New(Options{
		Cluster: newNode().cluster(), Node: "a", Metrics: http.NotFoundHandler(),
		Look: func(context.Context, string, *events.Position, int) (events.Excerpt, error) {
			began <- struct{}{}
			<-end
			return events.Excerpt{}, nil
		},
	})
	get := func() int {
		request := httptest.NewRequest(http.MethodGet, "/v1/events/orders", nil)
		request.Host = "localhost"
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		return answer.Code
	}
	var looking sync.WaitGroup
	for range maxLooking {
		looking.Go(func() {
			if status := get(); status != http.StatusOK {
				t.Errorf("one of those that may look: %d", status)
			}
		})
		<-began
	}
	if status := get(); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	close(end)
	looking.Wait()
}

// Seen to fail with the topic not asked about, and without Retry-After.
func TestAFullTopicIsTold(t *testing.T) {
	h := New(Options{
		Cluster: newNode().cluster(), Node: "a", Metrics: http.NotFoundHandler(),
		Publish: func(context.Context, []events.Event) []events.Receipt { return []events.Receipt{{ID: "e"}} },
		Full: func(_ context.Context, topic string) error {
			if topic == "full" {
				return errors.New("webhooks are behind")
			}
			return nil
		},
	})
	for topic, want := range map[string]int{"full": http.StatusTooManyRequests, "orders": http.StatusCreated} {
		request := httptest.NewRequest(http.MethodPost, "/v1/events/"+topic, strings.NewReader("1"))
		request.Host = "localhost"
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		full := want == http.StatusTooManyRequests
		if answer.Code != want || (answer.Header().Get("Retry-After") != "") != full || strings.Contains(answer.Body.String(), "webhooks are behind") != full {
			t.Errorf("%s: %d %v %s; want %d", topic, answer.Code, answer.Header(), answer.Body, want)
		}
	}
}
