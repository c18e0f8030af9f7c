package resources

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// CloudEvent is an event as CloudEvents 1.0 writes it in JSON (structured mode).
type CloudEvent struct {
	ContentType string // of Data; empty: what it looks like
	Data        []byte

	attributes []attribute
}

type attribute struct{ name, value string }

// usualAttributes is how many most events have at the most.
const usualAttributes = 12

// Set adds an attribute, such as id or an extension; they are written in the order of their setting. An empty value is left
// out, as CloudEvents asks.
func (e *CloudEvent) Set(name, value string) {
	if value == "" {
		return
	}
	if e.attributes == nil {
		e.attributes = make([]attribute, 0, usualAttributes)
	}
	e.attributes = append(e.attributes, attribute{name, value})
}

// Reset makes it another event, without attributes, whose memory is that of the one before.
func (e *CloudEvent) Reset(contentType string, data []byte) {
	e.ContentType, e.Data, e.attributes = contentType, data, e.attributes[:0]
}

// MarshalJSON writes the event.
func (e CloudEvent) MarshalJSON() ([]byte, error) {
	return e.AppendJSON(make([]byte, 0, 512+len(e.Data)))
}

// AppendJSON appends the event to b, on one line: data that is JSON with line breaks loses all white space. It is for what encodes each message
// that comes in: encoding/json reads once more what MarshalJSON returns.
func (e CloudEvent) AppendJSON(b []byte) ([]byte, error) {
	contentType, member, data, err := JSONData(e.ContentType, e.Data)
	if err != nil {
		return nil, err
	}
	b = append(b, `{"specversion":"1.0"`...)
	for _, a := range e.attributes {
		if b, err = appendMember(b, a.name, a.value); err != nil {
			return nil, err
		}
	}
	if b, err = appendMember(b, "datacontenttype", contentType); err != nil {
		return nil, err
	}
	b = append(append(append(b, `,"`...), member...), `":`...)
	if bytes.ContainsAny(data, "\n\r") {
		flat := bytes.NewBuffer(b)
		if err := json.Compact(flat, data); err != nil {
			return nil, fmt.Errorf("encode JSON: %w", err)
		}
		b = flat.Bytes()
	} else {
		b = append(b, data...)
	}
	return append(b, '}'), nil
}

func appendMember(b []byte, name, value string) ([]byte, error) {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendText(b, value)
}

// appendText does as EncodeJSON, and much faster for what needs no escapes: with each of a message's attributes it counts.
func appendText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, err := EncodeJSON(s)
			return append(b, escaped...), err
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

// JSONData returns data as it stands in a JSON object: JSON as it is and other text as a string under "data", all else in
// base64 under "data_base64". A content type that is not known is told from the data.
func JSONData(contentType string, data []byte) (resolved, member string, value json.RawMessage, err error) {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch mediaType = strings.TrimSpace(mediaType); {
	case !utf8.Valid(data):
	case (mediaType == "" || strings.HasSuffix(mediaType, "json")) && json.Valid(data):
		return cmp.Or(contentType, "application/json"), "data", data, nil
	case mediaType == "" || strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "json") || strings.HasSuffix(mediaType, "xml"):
		value, err = appendText(nil, string(data))
		return cmp.Or(contentType, "text/plain"), "data", value, err
	}
	value, err = EncodeJSON(data)
	return cmp.Or(contentType, "application/octet-stream"), "data_base64", value, err
}

// EncodeJSON encodes a value in one line of JSON, its text as it came (no escapes for HTML).
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
