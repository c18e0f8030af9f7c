package resources

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

type sample struct {
	cluster.Shared
	URL     string            `json:"url"`
	Timeout cluster.Duration  `json:"timeout" min:"1s" max:"1h"`
	Size    Size              `json:"size" min:"1B" max:"1GiB"`
	Mode    string            `json:"mode" oneof:"fast slow"`
	Count   int               `json:"count" min:"1" max:"9"`
	On      bool              `json:"on"`
	Labels  map[string]string `json:"labels"`
	Keys    map[string]Secret `json:"keys"`
	Codes   []int             `json:"codes"`
	Key     Secret            `json:"key"`
	Inner   struct {
		Limit Size `json:"limit"`
	} `json:"inner"`
	Rare *struct {
		Limit Size `json:"limit" max:"1KiB"`
	} `json:"rare"`
}

// Each mistake is told with its place, its field and what to write. Seen to fail with the value's place taken for the
// key's, and with the second of two equal names let through.
func TestDecodeTells(t *testing.T) {
	for spec, want := range map[string]string{
		"":                                  "line 1, column 1: the spec is empty; put a JSON object",
		" \n\t ":                            "line 1, column 1: the spec is empty",
		"null":                              "line 1, column 1: the spec is null",
		"7":                                 "the spec is the number 7; give it an object",
		"[1]":                               "the spec is a list; give it an object",
		"{url: 1}":                          "line 1, column 2: the spec is not JSON",
		"{\"url\": \"a\"":                   "is not JSON: unexpected end",
		"{\"url\": \"a\"}\n{}":              "line 2, column 1: the spec is not JSON",
		"{\"url\": \"a\xff\"}":              "line 1, column 11: the spec is not valid UTF-8",
		"{\n  \"ur\": 1}":                   `line 2, column 3: ur is not a known field; did you mean "url"?`,
		"{\"ulr\": 1}":                      `line 1, column 2: ulr is not a known field; did you mean "url"?`,
		"{\"URL\": 1}":                      `did you mean "url"?`,
		"{\"zzzzzz\": 1}":                   "known are codes, count, inner",
		"{\"inner\": {\"limits\": 1}}":      `line 1, column 12: inner.limits is not a known field; did you mean "limit"?`,
		"{\"rare\": {\"limits\": 1}}":       `line 1, column 11: rare.limits is not a known field; did you mean "limit"?`,
		"{\"rare\": {\"limit\": \"2KiB\"}}": "column 20: rare.limit is out of range",
		"{\"rare\": 1}":                     "rare is the number 1; give it an object",
		"{\"rare\": null}":                  "rare is null; leave it out, or give it an object",
		"{\"inner\": {\"$schema\": 1}}":     "inner.$schema is not a known field",
		"{\"url\": \"a\",\n\"url\": \"b\"}": "line 2, column 1: url is given twice",
		"{\"url\": [1]}":                    "line 1, column 9: url is a list; give it a string",
		"{\"ü\": 1, \"url\": true}":         "line 1, column 2: ü is not a known field",
		"{\"labels\": {\"ü\": 1}}":          "column 18: labels.ü is the number 1; give it a string",
		"{\"timeout\": 5}":                  `timeout is the number 5; give it a duration as a string, such as "10s"`,
		"{\"timeout\": \"5\"}":              "timeout is wrong: read duration \"5\": write a number with a unit",
		"{\"timeout\": \"-5s\"}":            "timeout is out of range; it must be from 1s to 1h",
		"{\"timeout\": \"9999999h\"}":       "timeout is wrong",
		"{\"timeout\": null}":               "timeout is null; leave it out, or give it a duration",
		"{\"size\": \"1MB\"}":               "write a whole number with B, KiB, MiB or GiB, such as 1MiB",
		"{\"size\": \"99999999999GiB\"}":    "size is wrong",
		"{\"size\": \"2GiB\"}":              "size is out of range; it must be from 1B to 1GiB",
		"{\"mode\": \"fats\"}":              `mode is "fats"; it must be "fast" or "slow"`,
		"{\"count\": 0}":                    "count is out of range; it must be from 1 to 9",
		"{\"count\": 1.5}":                  "count is the number 1.5; give it a whole number",
		"{\"count\": 1e400}":                "give it a whole number",
		"{\"on\": \"yes\"}":                 "on is a string; give it true or false",
		"{\"codes\": [1,\n \"2\"]}":         "line 2, column 2: codes[1] is a string; give it a whole number",
		"{\"codes\": {}}":                   "codes is an object; give it a list",
		"{\"weight\": \"heavy\"}":           "weight is a string; give it a whole number",
		"{\"key\": 5}":                      `key is neither a string nor {"from_env": …}`,
		"{\"key\": {\"from_env\": 5}}":      "line 1, column 22: key.from_env is the number 5; give it a string",
		"{\"key\": {}}":                     "key must have either from_env or from_file",
		"{\"key\":\n{\"from_evn\": \"A\"}}": `line 2, column 2: key.from_evn is not a known field; did you mean "from_env"?`,
		"{\"keys\": {\"a\": {\"from_env\": \"DRM_X\"}}}": "keys.a.from_env names a variable of drm itself",
	} {
		err := Decode([]byte(spec), &sample{Mode: "fast", Timeout: 1e9, Count: 1, Size: 1})
		var wrong *SpecError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  error %v\n  want  %s", spec, err, want)
		}
	}
}

// What is left out keeps its default, and everything else arrives.
func TestDecodeReads(t *testing.T) {
	s := sample{Mode: "fast", Codes: []int{1, 2, 3}}
	err := Decode([]byte(`
	{"$schema": "https://x.example/s.json", "paused": true, "weight": 7, "requires": {"zone": "a"},
	 "url": "a\n", "timeout": "1m30s", "size": "2KiB", "count": 9, "on": true, "labels": {"a": "b"},
	 "keys": {"k": "v"}, "codes": [], "key": {"from_env": "HOME"}, "inner": {"limit": "0B"}} `), &s)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Paused || s.Weight != 7 || s.Requires["zone"] != "a" || s.URL != "a\n" || s.Timeout != cluster.Duration(90e9) ||
		s.Size != 2048 || s.Count != 9 || !s.On || s.Labels["a"] != "b" || len(s.Codes) != 0 || s.Mode != "fast" {
		t.Errorf("read %+v", s)
	}
}

// A size is written as it is read.
func TestSize(t *testing.T) {
	for _, text := range []string{"0B", "1B", "1023B", "1KiB", "1025B", "64KiB", "1MiB", "3GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.MarshalText(); err != nil || string(got) != text {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// Whatever the input, Decode returns; it takes nothing that encoding/json would refuse, and its errors name a place in
// the text.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "null", `{"url": "a", "timeout": "1s"}`, `{"key": {"from_env": "A"}}`, `{"codes": [1, 2]}`, "{\"a\xff\": 1}", "{\"inner\":{\"limit\":\n1}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, spec []byte) {
		var s sample
		err := Decode(spec, &s)
		if err == nil {
			var lenient map[string]any
			if err := json.Unmarshal(spec, &lenient); err != nil {
				t.Errorf("took what is not JSON: %v", err)
			}
			return
		}
		var wrong *SpecError
		if !errors.As(err, &wrong) {
			t.Fatalf("error without a place: %v", err)
		}
		lines := strings.Split(string(spec), "\n")
		if wrong.Line < 1 || wrong.Line > len(lines) || wrong.Column < 1 || wrong.Column > len(lines[wrong.Line-1])+1 {
			t.Errorf("%v is not a place in %q", err, spec)
		}
	})
}
