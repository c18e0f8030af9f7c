package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/drm-cluster/drm/events"
)

// The formats of CloudEvents that a body may have. What is of any other type is data.
const (
	typeEvent = "application/cloudevents+json"
	typeBatch = "application/cloudevents-batch+json"
)

func mediaType(r *http.Request) string {
	format, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return format
}

// parse reads the events of a body: one CloudEvent or a batch of them, or data, of which headers that begin with ce- say the rest.
func parse(format string, header http.Header, body []byte) ([]events.Event, error) {
	switch {
	case format == typeEvent:
		e, err := structured(body)
		if err != nil {
			return nil, badRequest("read the CloudEvent: %v", err)
		}
		return []events.Event{e}, nil
	case format == typeBatch:
		var all []json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, badRequest("read the batch: it is no JSON array: %v", err)
		}
		es := make([]events.Event, len(all))
		for i, one := range all {
			var err error
			if es[i], err = structured(one); err != nil {
				return nil, badRequest("read the batch: event %d: %v", i, err)
			}
		}
		return es, nil
	case strings.HasPrefix(format, "application/cloudevents"):
		return nil, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("%s is not understood; send %s or %s, or data of any other type", format, typeEvent, typeBatch)}
	case format == "application/x-www-form-urlencoded" || format == "multipart/form-data":
		// That is what curl and browsers say when nobody has told them the type.
		return nil, problem{http.StatusUnsupportedMediaType, format + " is what forms send; say what the data is: with curl, -H 'Content-Type: application/json'"}
	case strings.HasSuffix(format, "json") && !json.Valid(body):
		return nil, badRequest("read the event: its Content-Type is %s, but the body is not JSON", format)
	}
	e, err := binary(header, body)
	if err != nil {
		return nil, badRequest("read the event's headers: %v", err)
	}
	return []events.Event{e}, nil
}

// structured reads an event in the JSON format of CloudEvents.
func structured(body []byte) (e events.Event, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return e, fmt.Errorf("it is no JSON object: %w", err)
	}
	data, plain := members["data"]
	encoded, base := members["data_base64"]
	if plain && base {
		return e, fmt.Errorf("it has both data and data_base64; keep one")
	}
	delete(members, "data")
	delete(members, "data_base64")
	for name, raw := range members {
		text, err := scalar(raw)
		if err != nil {
			return e, fmt.Errorf("%s %w", name, err)
		}
		if err := e.Set(name, text); err != nil {
			return e, err
		}
	}
	var text string
	switch isText := json.Unmarshal(data, &text) == nil; {
	case members["specversion"] == nil:
		return e, fmt.Errorf(`specversion is missing; write "specversion": "1.0"`)
	case base:
		if json.Unmarshal(encoded, &text) != nil {
			return e, fmt.Errorf("data_base64 is no string")
		}
		if e.Data, err = base64.StdEncoding.DecodeString(text); err != nil {
			return e, fmt.Errorf("data_base64 is no base64: %w", err)
		}
		if e.ContentType == "" {
			e.ContentType = "application/octet-stream"
		}
	case isText && e.ContentType != "" && !strings.Contains(e.ContentType, "json"):
		e.Data = []byte(text)
	default:
		e.Data = data
	}
	return e, nil
}

// scalar reads the value of an attribute as text.
func scalar(raw json.RawMessage) (text string, err error) {
	switch raw[0] {
	case '{', '[', 'n':
		return "", fmt.Errorf("is neither a string, a number, true nor false")
	case '"':
		err = json.Unmarshal(raw, &text)
		return text, err
	}
	return string(raw), nil
}

// binary reads an event whose data is the body.
func binary(header http.Header, body []byte) (e events.Event, err error) {
	e.Data, e.ContentType = body, header.Get("Content-Type")
	for name, values := range header {
		name, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		text, err := url.PathUnescape(values[0]) // what is not ASCII is percent-encoded
		if err != nil {
			return e, fmt.Errorf("ce-%s: %w", name, err)
		}
		if err := e.Set(name, text); err != nil {
			return e, err
		}
	}
	return e, nil
}
