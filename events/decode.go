package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Types of content that a publisher need not name.
const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// decode fills an event from the value of its key. An object with "data", "data_base64" or "specversion" is an envelope if it has the
// form of one; other JSON is itself the data; and what is not JSON is the data as bytes. So every value is an event.
func (e *Event) decode(value []byte) {
	e.Type, e.Source = e.Topic, "drm/topics/"+e.Topic
	e.ContentType, e.Data = typeJSON, value
	var fields map[string]json.RawMessage
	var broken *json.SyntaxError
	switch err := json.Unmarshal(value, &fields); {
	case errors.As(err, &broken):
		e.ContentType = typeBytes
		return
	case err != nil: // JSON, and no object
		return
	}
	_, data := fields["data"]
	_, encoded := fields["data_base64"]
	_, version := fields["specversion"]
	var v envelope
	if !data && !encoded && !version || v.read(fields) != nil {
		return
	}
	e.fill(&v, encoded)
	e.extend(fields)
}

// envelope is an event in the JSON format of CloudEvents, of which every attribute may be left out.
type envelope struct {
	kind, source, subject, schema, contentType string

	at    time.Time
	data  json.RawMessage
	bytes []byte
}

// read takes the attributes out of an object whose members are known. Nearly all are plain strings: what is large is looked at
// once, when the object was taken apart.
func (v *envelope) read(fields map[string]json.RawMessage) error {
	v.data = fields["data"]
	for _, a := range []struct {
		name string
		into any
	}{
		{"type", &v.kind},
		{"source", &v.source},
		{"subject", &v.subject},
		{"dataschema", &v.schema},
		{"datacontenttype", &v.contentType},
		{"time", &v.at},
		{"data_base64", &v.bytes},
	} {
		if raw, there := fields[a.name]; there {
			if err := json.Unmarshal(raw, a.into); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Event) fill(v *envelope, encoded bool) {
	if v.kind != "" {
		e.Type = v.kind
	}
	if v.source != "" {
		e.Source = v.source
	}
	e.Subject, e.Schema, e.Time, e.ContentType, e.Data = v.subject, v.schema, v.at, v.contentType, v.data
	var text string
	switch {
	case encoded:
		e.Data = v.bytes
		if e.ContentType == "" {
			e.ContentType = typeBytes
		}
	case e.ContentType == "":
		e.ContentType = typeJSON
	case !strings.Contains(e.ContentType, "json") && json.Unmarshal(v.data, &text) == nil:
		e.Data = []byte(text) // data of another type is a string in the envelope
	}
}

// extend keeps what a publisher said beyond the attributes that CloudEvents itself has.
func (e *Event) extend(fields map[string]json.RawMessage) {
	for name, raw := range fields {
		switch name {
		case "specversion", "id", "type", "source", "subject", "dataschema", "time", "datacontenttype", "data", "data_base64":
			continue
		}
		text := string(bytes.TrimSpace(raw))
		if text == "null" || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			continue // no extension has such a value
		}
		if strings.HasPrefix(text, `"`) && json.Unmarshal(raw, &text) != nil {
			continue
		}
		if e.Extensions == nil {
			e.Extensions = map[string]string{}
		}
		e.Extensions[name] = text
	}
}
