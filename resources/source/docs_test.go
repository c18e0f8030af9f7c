package source

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
)

// The page on this kind shows every field with its default, and every state. Seen to fail with the page's recheck at 2h, with prefix left out of
// it, and with its partial misspelt.
func TestDocsShowTheDefaults(t *testing.T) {
	file, err := os.ReadFile("../../docs/kinds/source.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	_, rest, _ := strings.Cut(text, "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	r := New(Options{Kinds: []string{"websocket"}})
	got, err := r.readSpec([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want, err := r.readSpec([]byte(`{"url": "` + got.URL + `", "kind": "websocket", "headers": {}, "requires": {}, "prefers": {}, "weight": 1,
		"network": {"allow_cidrs": [], "deny_cidrs": [], "ports": []}, "tls": {"min_version": "1.2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, name := range fieldsOf(reflect.TypeFor[spec]()) {
		if !strings.Contains(example, `"`+name+`":`) {
			t.Errorf("the page has no %s", name)
		}
	}
	for _, state := range []string{
		pull.StateReady, StatePartial, pull.StateThrottled, resources.StateAuthFailed, resources.StateBackingOff,
	} {
		if !strings.Contains(text, "| `"+state+"` |") {
			t.Errorf("the page has no state %s", state)
		}
	}
}

// fieldsOf lists the names of a struct's fields in JSON, and those of the structs in it.
func fieldsOf(t reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("json")
		if name == "" {
			continue
		}
		names = append(names, name)
		if f.Type.Kind() == reflect.Struct {
			names = append(names, fieldsOf(f.Type)...)
		}
	}
	return names
}

// The example is a spec. Seen to fail with a field of it misspelt.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../examples/source.json")
	if err == nil {
		err = New(Options{Kinds: []string{"websocket"}}).Check(text)
	}
	if err != nil {
		t.Error(err)
	}
}
