package resources

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Headers are HTTP headers of a spec; their values may be secrets.
type Headers map[string]Secret

// Check refuses names that HTTP doesn't allow and those in own, which drm keeps to itself.
func (h Headers) Check(own ...string) error {
	for name := range h {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !IsToken(name):
			return Wrong("headers", fmt.Sprintf("has the name %q; use letters, digits and dashes", name))
		case slices.ContainsFunc(own, func(s string) bool { return http.CanonicalHeaderKey(s) == canonical }):
			return Wrong("headers", fmt.Sprintf("has %s, which a spec cannot set; leave it out", name))
		}
	}
	return nil
}

// Read reads the secrets and returns what to send. Errors never hold a value.
func (h Headers) Read() (http.Header, error) {
	header := make(http.Header, len(h)+2)
	for name, secret := range h {
		value, err := secret.Read()
		if err != nil {
			return nil, fmt.Errorf("set header %s: %w", name, err)
		}
		if !IsHeaderValue(value) {
			return nil, fmt.Errorf("set header %s: its value holds a line break or another control character", name)
		}
		header.Set(name, value)
	}
	return header, nil
}

// IsToken tells whether a name is a token of RFC 9110, section 5.6.2, as names of headers are.
func IsToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// IsHeaderValue tells whether a text can be the value of a header: it has no line break or other control character, which
// would make of it two.
func IsHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// FenceHeader carries the epoch to whoever is connected to, so that it can refuse an older holder.
const FenceHeader = "drm-fence"
