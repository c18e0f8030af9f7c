package resources

import (
	"reflect"
	"testing"
)

// Numbers can be computed with and lose no digit that matters. Seen to fail without UseNumber, and without the look at what follows.
func TestParseJSON(t *testing.T) {
	for text, want := range map[string]any{
		`{"a": [9007199254740993, 1.5, "x", null]}`: map[string]any{"a": []any{9007199254740993, 1.5, "x", nil}},
		`1e999`: "1e999",
		` 7 `:   7,
	} {
		if got, err := ParseJSON([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `{`, `1 2`, `{} x`} {
		if got, err := ParseJSON([]byte(text)); err == nil {
			t.Errorf("%s: %#v", text, got)
		}
	}
}
