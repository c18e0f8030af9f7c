package websocket

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The page on this kind shows every field with its default. Seen to fail with the page's write_timeout at 11s, and with
// binary left out of it.
func TestDocsShowTheDefaults(t *testing.T) {
	page, err := os.ReadFile("../../docs/kinds/websocket.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	got, err := readSpec([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want, err := readSpec([]byte(`{"url": "` + got.URL + `", "headers": {}, "subprotocols": [], "subscribe": [],
		"sink": {"type": "stdout"}, "requires": {}, "prefers": {}, "weight": 1, "close_codes": {"fatal": []}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[spec]()) {
		if name, tagged := field.Tag.Lookup("json"); tagged && !strings.Contains(example, `"`+name+`":`) {
			t.Errorf("the page has no %s", name)
		}
	}
}
