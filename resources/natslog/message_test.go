package natslog

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

var stored = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// Whatever a message is, it is an event.
func TestMessagesAreEvents(t *testing.T) {
	s := &Stream{spec: &Spec{Stream: "ORDERS"}}
	derived := events.IDOf("ORDERS/7/" + "1767323045000000006")
	for name, c := range map[string]struct {
		subject string
		header  nats.Header
		data    string
		want    events.Event
	}{
		"JSON": {"orders.eu", nil, `{"a":1}`, events.Event{
			Topic: "orders.eu", ID: derived, Type: "orders.eu", Source: "drm/topics/orders.eu", Time: stored, ContentType: "application/json", Data: []byte(`{"a":1}`),
		}},
		"bytes, and a subject that no topic has": {"$KV.a/b:c", nat("Nats-Msg-Id", "m-1"), "\xff", events.Event{
			Topic: "_KV.a_b_c", ID: "m-1", Type: "_KV.a_b_c", Source: "drm/topics/_KV.a_b_c", Time: stored, ContentType: "application/octet-stream", Data: []byte("\xff"),
		}},
		"an id that no receiver could take": {"o", nat("Nats-Msg-Id", "a b"), "1", events.Event{
			Topic: "o", ID: events.IDOf("a b"), Type: "o", Source: "drm/topics/o", Time: stored, ContentType: "application/json", Data: []byte("1"),
		}},
		"a CloudEvent, structured": {"o", nat("content-type", "application/cloudevents+json"), `{"specversion":"1.0","id":"c-1","type":"t","source":"s","time":"2020-01-01T00:00:00Z","data":{"a":1}}`, events.Event{
			Topic: "o", ID: "c-1", Type: "t", Source: "s", Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), ContentType: "application/json", Data: []byte(`{"a":1}`),
		}},
		"a CloudEvent, binary": {"o", nat("ce-specversion", "1.0", "ce-id", "c-2", "ce-type", "t%20u", "ce-time", "nonsense", "ce-tenant", "x", "Content-Type", "text/plain"), `{"data":1}`, events.Event{
			Topic: "o", ID: "c-2", Type: "t u", Source: "drm/topics/o", Time: stored, ContentType: "text/plain", Data: []byte(`{"data":1}`), Extensions: map[string]string{"tenant": "x"},
		}},
		"an id of the header before one of the event": {"o", nat("Nats-Msg-Id", "m-2", "ce-specversion", "1.0", "ce-id", "c-3"), "1", events.Event{
			Topic: "o", ID: "m-2", Type: "o", Source: "drm/topics/o", Time: stored, Data: []byte("1"),
		}},
	} {
		got := s.event(&message{Subject: c.subject, Seq: 7, Data: []byte(c.data), Time: stored, header: c.header})
		c.want.At = events.Position{Rev: 7, Name: c.want.Topic + "/" + c.want.ID}
		same := got.Topic == c.want.Topic && got.ID == c.want.ID && got.At == c.want.At && got.Type == c.want.Type && got.Source == c.want.Source &&
			got.Time.Equal(c.want.Time) && got.ContentType == c.want.ContentType && string(got.Data) == string(c.want.Data) && maps.Equal(got.Extensions, c.want.Extensions)
		if !same {
			t.Errorf("%s: %+v\nwant %+v", name, got, c.want)
		}
		if _, _, _, err := events.ParseRef(got.Ref()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func nat(pairs ...string) nats.Header {
	h := nats.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = []string{pairs[i+1]}
	}
	return h
}

// Each mistake in a spec is told with its field.
func TestSpecs(t *testing.T) {
	for fields, want := range map[string]string{
		``:                                      "stream is missing",
		`, "stream": "A.B"`:                     "stream is no name",
		`, "stream": "A", "consumer": "a b"`:    "consumer is no name",
		`, "stream": "A", "subjects": ["a..b"]`: "subjects[0] is no subject",
		`, "stream": "A", "subjects": ["a", "b.>.c"]`:                      "subjects[1] is no subject",
		`, "stream": "A", "subjects": ["a"` + strings.Repeat(`,"a"`, 16):   "subjects has 17",
		`, "stream": "A", "auth": {"type": "token"}`:                       "auth.token is missing",
		`, "stream": "A", "subject": ["a"]`:                                "did you mean \"subjects\"",
		`, "stream": "A", "url": "nats://b"`:                               "is given twice",
		`, "stream": "A", "tls": {"server_name": "nats.example.internal"}`: "tls is given",
	} {
		if strings.Contains(want, "17") {
			fields += "]"
		}
		spec := &Spec{}
		err := resources.Decode([]byte(`{"type": "jetstream", "url": "nats://a"`+fields+`}`), spec)
		if err == nil {
			err = spec.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", fields, err, want)
		}
	}
}

// The consumer of a resource is called the same on every node, and never as that of another. Seen to fail with the hash left out.
func TestConsumersAreToldApart(t *testing.T) {
	if name := ConsumerFor("webhook", "shop"); name != "drm-webhook-shop" {
		t.Error(name)
	}
	seen := map[string]string{}
	for _, id := range []string{"a.b", "a_b", "a/b", "ä", strings.Repeat("x", 200), strings.Repeat("x", 201)} {
		name := ConsumerFor("webhook", id)
		if !isName(name) || seen[name] != "" {
			t.Errorf("%s is called %s, as is %q", id, name, seen[name])
		}
		seen[name] = id
	}
}
