package sink

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// The page on sinks shows each type with all its fields and their defaults. Seen to fail with batch.max of nats at 99 in the page, with
// sync left out of it, and with a field that a sink does not have.
func TestDocsShowTheDefaults(t *testing.T) {
	page, err := os.ReadFile("../docs/sinks.md")
	if err != nil {
		t.Fatal(err)
	}
	// What a spec must say, without which there is none to have defaults.
	needed := map[string][]string{
		resources.SinkFile: {"path"}, resources.SinkHTTP: {"url"}, resources.SinkEvent: {"topic"}, resources.SinkNATS: {"url", "subject"},
		resources.SinkRedis: {"url", "password", "stream"},
	}
	var shown []string
	for _, match := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1) {
		var all map[string]any
		if err := json.Unmarshal(match[1], &all); err != nil {
			t.Fatal(err)
		}
		name, _ := all["type"].(string)
		shown = append(shown, name)
		least := map[string]any{"type": name}
		for _, field := range needed[name] {
			least[field] = all[field]
		}
		text, err := json.Marshal(least)
		if err != nil {
			t.Fatal(err)
		}
		got, want := readSpec(t, string(match[1])), readSpec(t, string(text))
		if g, w := written(got.of()), written(want.of()); g != w {
			t.Errorf("the page has for %s\n%s\nand the defaults are\n%s", name, g, w)
		}
		for _, field := range fields(reflect.TypeOf(got.of()).Elem()) {
			if _, ok := all[field]; !ok {
				t.Errorf("the page has no %s of %s", field, name)
			}
		}
	}
	if want := resources.SinkNames(); !slices.Equal(slices.Sorted(slices.Values(shown)), want) {
		t.Errorf("the page shows %v, and there are %v", shown, want)
	}
}

// written is what a spec says, with empty lists and none alike.
func written(k kind) string {
	text, _ := json.Marshal(k)
	return strings.ReplaceAll(strings.ReplaceAll(string(text), "[]", "null"), "{}", "null")
}

// fields are the names of a struct's fields in JSON, but for those of structs in it.
func fields(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && len(f.Index) <= 4 {
			names = append(names, name)
		}
	}
	return names
}
