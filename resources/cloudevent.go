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

// Set adds an attribute, such as id or an extension; they are written in the order of their setting. An empty value is left
// out, as CloudEvents asks.
func (e *CloudEvent) Set(name, value string) {
	if value != "" {
		e.attributes = append(e.attributes, attribute{name, value})
	}
}

// MarshalJSON writes the event.
func (e CloudEvent) MarshalJSON() ([]byte, error) {
	contentType, member, data, err := JSONData(e.ContentType, e.Data)
	if err != nil {
		return nil, err
	}
	e.Set("datacontenttype", contentType)
	var b bytes.Buffer
	b.WriteString(`{"specversion":"1.0"`)
	for _, a := range e.attributes {
		value, err := EncodeJSON(a.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",%q:%s", a.name, value)
	}
	fmt.Fprintf(&b, ",%q:%s}", member, data)
	return b.Bytes(), nil
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
		value, err = EncodeJSON(string(data))
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
