package webhook

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources/natslog"
)

// The page on this kind shows every field with its default, and every header by its name. Seen to fail with the page's timeout at 16s,
// with burst left out of it, with its drm-attempt misspelt, and with the stream's subjects left out.
func TestDocsShowTheDefaults(t *testing.T) {
	file, err := os.ReadFile("../../docs/kinds/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(file)
	_, rest, _ := strings.Cut(page, "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	got, err := readSpec([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want, err := readSpec([]byte(`{"url": "` + got.URL + `", "topics": ["orders", "billing.*"], "event_types": [], "headers": {}, "requires": {}, "prefers": {},
		"weight": 1, "signing": {"keys": []}, "network": {"allow_cidrs": [], "deny_cidrs": [], "ports": []}, "tls": {"min_version": "1.2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, name := range fieldsOf(reflect.TypeFor[spec]()) {
		if !strings.Contains(example, `"`+name+`":`) && !strings.Contains(page, `"`+name+`": `) {
			t.Errorf("the page has no %s", name)
		}
	}
	_, rest, _ = strings.Cut(page, "## Events from NATS JetStream")
	_, rest, _ = strings.Cut(rest, "```json\n")
	example, _, _ = strings.Cut(rest, "```")
	if s, err := readSpec([]byte(example)); err != nil || s.Source.jetstream == nil {
		t.Errorf("the example of a stream: %v", err)
	}
	for _, name := range fieldsOf(reflect.TypeFor[natslog.Spec]()) {
		if !strings.Contains(example, `"`+name+`":`) && !strings.Contains(page, "| `"+name+"` |") && !strings.Contains(page, `"`+name+`": `) {
			t.Errorf("the page has no field %s of a stream", name)
		}
	}
	for _, name := range []string{headerAttempt, headerTrace, headerWord, headerOrigin} {
		if !strings.Contains(strings.ToLower(page), "`"+strings.ToLower(name)) {
			t.Errorf("the page has no %s", name)
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
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct {
			names = append(names, fieldsOf(of)...)
		}
	}
	return names
}
