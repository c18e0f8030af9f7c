package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// The forms of a request's body.
const (
	payloadStandard = "standard"           // {"type", "timestamp", "data"}, as Standard Webhooks recommends
	payloadRaw      = "raw"                // the data as it is
	payloadEvent    = "cloudevents"        // CloudEvents 1.0, structured mode
	payloadBinary   = "cloudevents-binary" // CloudEvents 1.0, binary mode: the data as it is, all else in headers
)

// compose makes headers and body of an event's request, the same for each attempt. An error is about this very event: it
// can't be sent before the spec changes.
func (s *spec) compose(e events.Event) (http.Header, []byte, error) {
	if !s.Transform.Empty() {
		value, err := s.Transform.Eval(termsOf(&e))
		if err == nil {
			e.Data, err = resources.EncodeJSON(value)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("evaluate transform: %w", err)
		}
		e.ContentType = "application/json"
	}
	h := http.Header{}
	body, err := s.form(&e, h)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("compose payload: %w", err)
	case len(body) > int(s.MaxPayload):
		return nil, nil, fmt.Errorf("compose payload: it has %d bytes; max_payload allows %d", len(body), s.MaxPayload)
	}
	return h, body, nil
}

// form makes the body, and sets the headers that belong to it.
func (s *spec) form(e *events.Event, h http.Header) ([]byte, error) {
	switch s.Payload {
	case payloadEvent:
		h.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		envelope := resources.CloudEvent{ContentType: e.ContentType, Data: e.Data}
		attributes(e, envelope.Set)
		return resources.EncodeJSON(envelope)
	case payloadStandard:
		h.Set("Content-Type", "application/json")
		return standard(e)
	}
	contentType, _, _, err := resources.JSONData(e.ContentType, e.Data)
	if err != nil {
		return nil, err
	}
	if !resources.IsHeaderValue(contentType) {
		return nil, fmt.Errorf("its content type %q is none", contentType)
	}
	h.Set("Content-Type", contentType)
	if s.Payload == payloadBinary {
		err = binary(e, h)
	}
	return e.Data, err
}

// standard is put together by hand: the data, which may be large, is gone through once.
func standard(e *events.Event) ([]byte, error) {
	_, member, data, err := resources.JSONData(e.ContentType, e.Data)
	if err != nil {
		return nil, err
	}
	kind, err := resources.EncodeJSON(e.Type)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(kind) + len(data) + 100)
	fmt.Fprintf(&b, `{"type":%s`, kind)
	if at := timestamp(e.Time); at != "" {
		fmt.Fprintf(&b, `,"timestamp":%q`, at)
	}
	fmt.Fprintf(&b, `,%q:`, member)
	if err := json.Compact(&b, data); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// binary sets a header for each attribute, its value percent-encoded as CloudEvents' HTTP binding has it.
func binary(e *events.Event, h http.Header) error {
	var wrong error
	set := func(name, value string) {
		switch {
		case !resources.IsToken(name):
			wrong = fmt.Errorf("its extension %q can't be the name of a header", name)
		case value != "":
			h.Set("Ce-"+name, percent(value))
		}
	}
	set("specversion", "1.0")
	attributes(e, set)
	return wrong
}

// percent encodes what a header can't hold as it is: all but printable ASCII, and the space, quote and percent sign.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// attributes gives the attributes of CloudEvents that an event has, and its extensions in the order of their names.
func attributes(e *events.Event, set func(name, value string)) {
	set("id", e.ID)
	set("source", cmp.Or(e.Source, "drm/topics/"+e.Topic))
	set("type", cmp.Or(e.Type, e.Topic))
	set("subject", e.Subject)
	set("dataschema", e.Schema)
	set("time", timestamp(e.Time))
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		set(name, e.Extensions[name])
	}
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
