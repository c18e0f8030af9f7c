package websocket

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The page on this kind shows every field with its default. Seen to fail with the page's write_timeout at 11s, with
// binary left out of it, and with its example of resuming broken.
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
		"sink": {"type": "stdout"}, "requires": {}, "prefers": {}, "weight": 1, "close_codes": {"fatal": [], "no_resume": []}, "tls": {"min_version": "1.2"}, "secrets": {}, "handshake": [], "control": [],
		"network": {"allow_cidrs": [], "deny_cidrs": [], "ports": []}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, name := range fieldsOf(reflect.TypeFor[spec]()) {
		if !strings.Contains(example, `"`+name+`":`) && !strings.Contains(string(page), `"`+name+`":`) {
			t.Errorf("the page has no %s", name)
		}
	}
	for i, part := range strings.Split(rest, "```json\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		if _, err := readSpec([]byte(example)); err != nil && strings.Contains(example, `"url"`) {
			t.Errorf("example %d: %v", i+2, err)
		}
	}
}

// fieldsOf lists the names of a struct's fields in JSON, and those of the structs in it.
func fieldsOf(of reflect.Type) []string {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(of) {
		if name := f.Tag.Get("json"); name != "" {
			names = append(append(names, name), fieldsOf(f.Type)...)
		}
	}
	return names
}
