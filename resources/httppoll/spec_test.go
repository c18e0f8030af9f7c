package httppoll

import (
	"strings"
	"testing"
)

// What doesn't fit together is said with the field and what to do. Seen to fail without each case of check.
func TestSpecErrors(t *testing.T) {
	for fields, says := range map[string]string{
		`"id": "data.x"`:                 `id is given, but emit is not "items"`,
		`"pagination": {"type": "link"}`: `set emit to "items" or "always"`,
		`"pagination": {"param": "p"}`:   "pagination.param is given",
		`"emit": "items", "pagination": {"type": "link", "next": "data"}`: "pagination.next is given",
		`"emit": "items", "pagination": {"type": "page"}`:                 "pagination.param is missing",
		`"emit": "items", "pagination": {"type": "cursor", "param": "c"}`: "pagination.next is missing",
		`"emit": "always", "pagination": {"type": "page", "param": "p"}`:  "nothing tells which page is the last",
		`"cursor": {"param": "c"}`:                                        "both param and extract",
		`"cursor": {"initial": "c"}`:                                      "without cursor.param",
		`"emit": "item"`:                                                  `"changed", "always" or "items"`,
		`"items": "data."`:                                                "items",
		`"filter": "id"`:                                                  "filter",
		`"filter": "dat == 1"`:                                            "unknown name dat",
		`"hash_ignore": ["a..b"]`:                                         "names with dots between them",
		`"dedupe": {"max": 0}`:                                            "from 1 to 100000",
		`"sink": {"type": "nothing"}`:                                     "known types are",
		`"interval": "10ms"`:                                              "from 100ms",
		`"etag": true`:                                                    "not a known field",
	} {
		_, err := readSpec([]byte(`{"url": "https://api.example.com/", ` + fields + `}`))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %s", fields, err, says)
		}
	}
	if _, err := readSpec([]byte(`{}`)); err == nil || !strings.Contains(err.Error(), "url is missing") {
		t.Errorf("%v", err)
	}
}
