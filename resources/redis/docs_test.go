package redis

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The page on this kind shows every field with its default. Seen to fail with the page's dial_timeout at 6s, and with burst left out of it.
func TestDocsShowTheDefaults(t *testing.T) {
	page, err := os.ReadFile("../../docs/kinds/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	got, err := readSpec([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want, err := readSpec([]byte(`{"url": "` + got.URL + `", "password": {"from_env": "REDIS_PASSWORD"}, "channels": ["orders"], "patterns": [],
		"sentinel": {"addrs": []}, "network": {"allow_cidrs": [], "deny_cidrs": []}, "sink": {"type": "stdout"}, "requires": {}, "prefers": {}, "weight": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %+v; the defaults are %+v", got, want)
	}
	for _, name := range fieldsOf(reflect.TypeFor[spec]()) {
		if !strings.Contains(example, `"`+name+`":`) && !strings.Contains(string(page), "`"+name+"`") {
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
		if f.Type.Kind() == reflect.Struct {
			names = append(names, fieldsOf(f.Type)...)
		}
	}
	return names
}

// The examples are specs as they stand.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/redis*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readSpec(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
