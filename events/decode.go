package events

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Types of content that a publisher need not name.
const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// envelope is an event in the JSON format of CloudEvents, of which every attribute may be left out.
type envelope struct {
	Type        string          `json:"type"`
	Source      string          `json:"source"`
	Subject     string          `json:"subject"`
	Schema      string          `json:"dataschema"`
	Time        time.Time       `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
	Bytes       []byte          `json:"data_base64"`
}

// decode fills an event from the value of its key. An object with "data", "data_base64" or "specversion" is an envelope if it has the
// form of one; other JSON is itself the data; and what is not JSON is the data as bytes. So every value is an event.
func (e *Event) decode(value []byte) {
	e.Type, e.Source = e.Topic, "drm/topics/"+e.Topic
	if !json.Valid(value) {
		e.ContentType, e.Data = typeBytes, value
		return
	}
	e.ContentType, e.Data = typeJSON, value
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return
	}
	_, data := fields["data"]
	_, encoded := fields["data_base64"]
	_, version := fields["specversion"]
	var v envelope
	if !data && !encoded && !version || json.Unmarshal(value, &v) != nil {
		return
	}
	e.fill(&v, encoded)
	e.extend(fields)
}

func (e *Event) fill(v *envelope, encoded bool) {
	if v.Type != "" {
		e.Type = v.Type
	}
	if v.Source != "" {
		e.Source = v.Source
	}
	e.Subject, e.Schema, e.Time, e.ContentType, e.Data = v.Subject, v.Schema, v.Time, v.ContentType, v.Data
	var text string
	switch {
	case encoded:
		e.Data = v.Bytes
		if e.ContentType == "" {
			e.ContentType = typeBytes
		}
	case e.ContentType == "":
		e.ContentType = typeJSON
	case !strings.Contains(e.ContentType, "json") && json.Unmarshal(v.Data, &text) == nil:
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
