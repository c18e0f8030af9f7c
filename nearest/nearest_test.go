package nearest

import (
	"strings"
	"testing"
)

// What people type is told what they meant, and nothing when it can't be told. Seen to fail without the swap of neighbours
// (ulr is then as far from tls as from url), and with the last of equals.
func TestName(t *testing.T) {
	known := []string{"on", "run", "tls", "url", "timeout", "mode", "node", "DRM_TTL", "from_env"}
	for word, want := range map[string]string{
		"ulr":                       "url",
		"ur":                        "url",
		"urls":                      "url",
		"URL":                       "url",
		"nur":                       "run",
		"tiemout":                   "timeout",
		"timeotu":                   "timeout",
		"time_out":                  "timeout",
		"from_evn":                  "from_env",
		"DRM_TLL":                   "DRM_TTL",
		"drm_tlt":                   "DRM_TTL",
		"lode":                      "mode", // and node: the first
		"zzzzzz":                    "",
		"zz":                        "",
		"":                          "",
		"ü":                         "",
		strings.Repeat("x", 10<<20): "", // not even looked at
	} {
		if got := Name(word, known); got != want {
			t.Errorf("%.20q is taken for %q, want %q", word, got, want)
		}
	}
	if got := Name("ulr", nil); got != "" {
		t.Errorf("of no names %q is the nearest", got)
	}
}

// The distance is that of the books, in both directions. Seen to fail with a swap that costs two changes.
func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{"ab", "ba", 1},
		{"abcd", "badc", 2},
		{"ca", "abc", 3}, // 2 if a letter might change twice
	} {
		if got := [2]int{distance(test.a, test.b), distance(test.b, test.a)}; got != [2]int{test.want, test.want} {
			t.Errorf("%q and %q: %v, want %d", test.a, test.b, got, test.want)
		}
	}
}
