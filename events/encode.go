package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxBytes is how large an event may be as it lies in etcd, which takes requests of 1.5 MiB.
const MaxBytes = 1400 << 10

// encode returns an event as it lies in etcd: the JSON format of CloudEvents without the id, which is the key's. JSON data is kept byte
// for byte. The time comes last, so that same can look past it.
func encode(e Event) ([]byte, error) {
	b := []byte(`{"specversion":"1.0"`)
	for _, a := range []struct{ name, value string }{
		{"type", e.Type}, {"source", e.Source}, {"subject", e.Subject}, {"dataschema", e.Schema}, {"datacontenttype", e.ContentType},
	} {
		b = member(b, a.name, a.value)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		if !extension(name) {
			return nil, fmt.Errorf("%w: %q is no name of an extension; use 1 to 20 lower-case letters and digits", ErrInvalid, name)
		}
		b = member(b, name, e.Extensions[name])
	}
	b = payload(b, e)
	if !e.Time.IsZero() {
		if y := e.Time.Year(); y < 0 || y > 9999 {
			return nil, fmt.Errorf("%w: the year %d does not fit into a time", ErrInvalid, y)
		}
		b = member(b, timeName, e.Time.UTC().Format(time.RFC3339Nano))
	}
	b = append(b, '}')
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: an attribute is not valid UTF-8", ErrInvalid)
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes as it would be stored, and %d is the most; publish a reference to what is large", ErrTooLarge, len(b), MaxBytes)
	}
	return b, nil
}

const timeName = "time"

// member adds an attribute that is not empty.
func member(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	text, _ := json.Marshal(value) // a string always encodes
	return append(append(append(append(b, `,"`...), name...), `":`...), text...)
}

// payload adds the data: JSON as it is, other text as a string, anything else in base64.
func payload(b []byte, e Event) []byte {
	switch {
	case len(e.Data) == 0:
		return b
	case isJSON(e.ContentType) && json.Valid(e.Data):
		return append(append(b, `,"data":`...), e.Data...)
	case !isJSON(e.ContentType) && utf8.Valid(e.Data):
		text, _ := json.Marshal(string(e.Data)) // a string always encodes
		return append(append(b, `,"data":`...), text...)
	}
	return member(b, "data_base64", base64.StdEncoding.EncodeToString(e.Data))
}

// isJSON tells whether a type of content is JSON; none given is.
func isJSON(contentType string) bool {
	base, _, _ := strings.Cut(contentType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	return base == "" || base == "application/json" || strings.HasSuffix(base, "+json") || strings.HasSuffix(base, "/json")
}

// reserved are the names that an extension can't have.
var reserved = []string{
	"specversion", "id", "type", "source", "subject", "dataschema", "datacontenttype", "data", "data_base64", timeName,
}

// extension tells whether CloudEvents lets an extension be called so.
func extension(name string) bool {
	if name == "" || len(name) > 20 || slices.Contains(reserved, name) {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// same tells whether two stored events say the same; anyTime, whatever their times.
func same(a, b []byte, anyTime bool) bool {
	if anyTime {
		a, b = timeless(a), timeless(b)
	}
	return bytes.Equal(a, b)
}

// timeless cuts off the time that encode put last.
func timeless(b []byte) []byte {
	if i := bytes.LastIndex(b, []byte(`,"`+timeName+`":"`)); i >= 0 {
		return append(slices.Clone(b[:i]), '}')
	}
	return b
}
