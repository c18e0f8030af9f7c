package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/events"
)

// composed returns what a request of an event would be, as text: its headers but the content type's name, and its body.
func composed(t *testing.T, fields string, e events.Event) string {
	t.Helper()
	h, body, err := specWith(t, fields).compose(e)
	if err != nil {
		return err.Error()
	}
	var head strings.Builder
	_ = h.Write(&head)
	return strings.ReplaceAll(strings.TrimPrefix(head.String(), "Content-Type: "), "\r\n", "\n") + string(body)
}

// Each form has all that an event says, JSON as it came, and what is no text in base64.
func TestPayloads(t *testing.T) {
	full := order()
	full.Subject, full.Source, full.Schema = "50% \"ü\"", "shop", "https://x.example/s"
	full.Extensions = map[string]string{"traceparent": "00-x", "alpha": "1"}
	full.Data = []byte(`{"n": 12345678901234567890.50, "html": "<b>"}`)
	bytes := events.Event{Topic: "t", ID: "e1", Type: "t", ContentType: "image/png", Data: []byte("\x89PNG")}
	text := events.Event{Topic: "t", ID: "e1", Type: "t", Data: []byte("plain <text>")}
	none := events.Event{Topic: "t", ID: "e1", Type: "t"}
	data := `{"n":12345678901234567890.50,"html":"<b>"}`
	attributes := `{"specversion":"1.0","id":"evt_1","source":"shop","type":"order.paid","subject":"50% \"ü\"","dataschema":"https://x.example/s",` +
		`"time":"2026-01-02T03:04:05.0000006Z","alpha":"1","traceparent":"00-x","datacontenttype":"application/json"`
	structured := "application/cloudevents+json; charset=utf-8\n"
	bare := `{"specversion":"1.0","id":"e1","source":"drm/topics/t","type":"t",`
	for name, test := range map[string]struct {
		payload string
		event   events.Event
		want    string
	}{
		"standard":            {"standard", full, "application/json\n" + `{"type":"order.paid","timestamp":"2026-01-02T03:04:05.0000006Z","data":` + data + `}`},
		"standard, bytes":     {"standard", bytes, "application/json\n" + `{"type":"t","data_base64":"iVBORw=="}`},
		"standard, text":      {"standard", text, "application/json\n" + `{"type":"t","data":"plain <text>"}`},
		"standard, nothing":   {"standard", none, "application/json\n" + `{"type":"t","data":""}`},
		"raw":                 {"raw", full, "application/json\n" + string(full.Data)},
		"raw, bytes":          {"raw", bytes, "image/png\n\x89PNG"},
		"raw, text":           {"raw", text, "text/plain\nplain <text>"},
		"structured":          {"cloudevents", full, structured + attributes + `,"data":` + data + `}`},
		"structured, bytes":   {"cloudevents", bytes, structured + bare + `"datacontenttype":"image/png","data_base64":"iVBORw=="}`},
		"structured, text":    {"cloudevents", text, structured + bare + `"datacontenttype":"text/plain","data":"plain <text>"}`},
		"structured, nothing": {"cloudevents", none, structured + bare + `"datacontenttype":"text/plain","data":""}`},
		"binary": {"cloudevents-binary", full, "Ce-Alpha: 1\nCe-Dataschema: https://x.example/s\nCe-Id: evt_1\nCe-Source: shop\nCe-Specversion: 1.0\n" +
			"Ce-Subject: 50%25%20%22%C3%BC%22\nCe-Time: 2026-01-02T03:04:05.0000006Z\nCe-Traceparent: 00-x\nCe-Type: order.paid\nContent-Type: application/json\n" + string(full.Data)},
	} {
		if got := composed(t, `, "payload": "`+test.payload+`"`, test.event); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

// What transform gives is what is sent, in every form.
func TestTransform(t *testing.T) {
	const transform = `, "transform": "{'id': id, 'who': upper(data.customer), 'total': data.amount * 2}"`
	const data = `{"id":"evt_1","total":24,"who":"ADA"}`
	for payload, want := range map[string]string{
		"raw":      "application/json\n" + data,
		"standard": "application/json\n" + `{"type":"order.paid","timestamp":"2026-01-02T03:04:05.0000006Z","data":` + data + `}`,
	} {
		if got := composed(t, transform+`, "payload": "`+payload+`"`, order()); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", payload, got, want)
		}
	}
}

// An event of which no request can be made is told apart from one that was refused: nothing is sent, and sending it again is
// of no use. Seen to fail (a request comes) with max_payload not asked about what a transform gave.
func TestUnfit(t *testing.T) {
	odd := func(change func(*events.Event)) events.Event {
		e := order()
		change(&e)
		return e
	}
	rec := receive(t, status(http.StatusOK))
	for name, test := range map[string]struct {
		fields string
		event  events.Event
		says   string
	}{
		"too big":                 {`, "max_payload": "50B"`, order(), "compose payload: it has 102 bytes; max_payload allows 50"},
		"too big after transform": {`, "payload": "raw", "max_payload": "1KiB", "transform": "repeat('x', 5000)"`, order(), "max_payload allows 1024"},
		"a missing field":         {`, "transform": "data.a.b"`, order(), "evaluate transform: cannot fetch b from <nil>"},
		"no JSON":                 {`, "transform": "1 / 0 - 1 / 0"`, order(), "evaluate transform: encode JSON: json: unsupported value"},
		"too much":                {`, "transform": "map(1..1000000, #)"`, order(), "memory budget exceeded"},
		"an odd extension": {
			`, "payload": "cloudevents-binary"`, odd(func(e *events.Event) { e.Extensions = map[string]string{"a b": "c"} }),
			`its extension "a b" can't be the name of a header`,
		},
		"an odd content type": {`, "payload": "raw"`, odd(func(e *events.Event) { e.ContentType = "text/plain\r\nX-Admin: yes" }), "is none"},
	} {
		o := senderTo(t, rec.URL, test.fields).attempt(t.Context(), test.event, 1, 41)
		if o.verdict != unfit || o.err == nil || !strings.Contains(o.err.Error(), test.says) {
			t.Errorf("%s: %d, %v", name, o.verdict, o.err)
		}
	}
	if len(rec.requests) > 0 {
		t.Errorf("%d requests came", len(rec.requests))
	}
}

// The trace that an event is part of goes on; what is no such begins a new one.
func TestSpan(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for parent, goesOn := range map[string]bool{
		"00-" + trace + "-b7ad6b7169203331-01":                    true,
		"00-" + strings.ToUpper(trace) + "-b7ad6b7169203331-01":   false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"ff-" + trace + "-b7ad6b7169203331-01":                    false,
		"00-" + trace + "-b7ad6b7169203331-01-more":               false,
		"00-" + trace + "\r\n-b7ad6b7169203331-01":                false,
		"": false,
	} {
		got := span(parent)
		if parts := strings.Split(got, "-"); len(parts) != 4 || len(got) != 55 || parts[0] != "00" || (parts[1] == trace) != goesOn || parts[2] == "b7ad6b7169203331" {
			t.Errorf("%q becomes %q", parent, got)
		}
	}
	if first, second := span(""), span(""); first == second {
		t.Errorf("two requests have the same span %s", first)
	}
	if got := timestamp(time.Time{}); got != "" {
		t.Errorf("no time is %q", got)
	}
}
