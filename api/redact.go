package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// mask stands where something was taken out; it is what net/url shows for a password.
const mask = "xxxxx"

// secretWords are found in the names of fields, headers and query parameters whose values are secret.
var secretWords = []string{
	"auth", "cookie", "token", "secret", "passw", "passphrase", "apikey", "accesskey", "privatekey", "credential",
	"signature", "bearer",
}

// redact returns a spec with the secrets in it masked, and where. Whoever can read the store can read the spec as it is;
// whoever can reach this port need not be the same people. Secrets should stand in a spec by reference only, but
// nothing forces them to, so literal values of fields with telling names are masked, and credentials and query values in
// URLs. A secret under a harmless name can't be recognised: docs/api.md says so.
func redact(spec []byte) (json.RawMessage, []string, error) {
	value, err := decode(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("the spec is not JSON: %w", err)
	}
	var r redactor
	text, err := encode(r.value(value, "", false))
	if err != nil {
		return nil, nil, fmt.Errorf("show spec: %w", err)
	}
	return text, r.places, nil
}

// decode keeps numbers as they are written.
func decode(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("there is more after its end")
	}
	return value, nil
}

func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(text.Bytes()), err
}

type redactor struct{ places []string }

// value returns v with secrets masked; all of it is one when secret is true.
func (r *redactor) value(v any, place string, secret bool) any {
	switch v := v.(type) {
	case map[string]any:
		if reference(v) {
			return v
		}
		// Sorted as they will be written, so that places are in the order of the text.
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := strings.TrimPrefix(place+"."+name, ".")
			v[name] = r.value(v[name], inner, secret || telling(name))
		}
	case []any:
		for i := range v {
			v[i] = r.value(v[i], fmt.Sprintf("%s[%d]", place, i), secret)
		}
	case string:
		if secret && v != "" {
			return r.masked(place)
		}
		return r.text(v, place)
	case json.Number:
		if secret {
			return r.masked(place)
		}
	}
	return v
}

func (r *redactor) masked(place string) string {
	r.places = append(r.places, place)
	return mask
}

// text masks what is secret in a string: in a URL, and in JSON within JSON, as in messages to be sent.
func (r *redactor) text(s, place string) string {
	if strings.Contains(s, "://") {
		if masked := maskURL(s); masked != s {
			r.places = append(r.places, place)
			return masked
		}
		return s
	}
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		inner, err := decode([]byte(s))
		if err != nil {
			return s
		}
		before := len(r.places)
		masked, err := encode(r.value(inner, place, false))
		if err != nil || len(r.places) == before {
			return s
		}
		return string(masked)
	}
	return s
}

// maskURL takes out credentials, the values of query parameters, and the fragment. Which parameter is a key differs
// from service to service, so all are taken.
func maskURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return mask // what can't be read can't be judged
	}
	if u.User != nil {
		u.User = url.User(mask)
	}
	if u.RawQuery != "" {
		pairs := strings.Split(u.RawQuery, "&")
		for i, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			if value == "" {
				continue
			}
			pairs[i] = name + "=" + mask
		}
		u.RawQuery = strings.Join(pairs, "&")
	}
	if u.Fragment != "" {
		u.Fragment, u.RawFragment = mask, ""
	}
	return u.String()
}

// reference tells whether an object says where a secret is instead of what it is: {"from_env": "TOKEN"}.
func reference(v map[string]any) bool {
	for name := range v {
		return len(v) == 1 && strings.HasPrefix(name, "from_")
	}
	return false
}

// telling tells whether a name says that its value is secret, however it is spelt: X-Api-Key, api_key, apiKey.
func telling(name string) bool {
	letters := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, name)
	for _, word := range secretWords {
		if strings.Contains(letters, word) {
			return true
		}
	}
	return false
}
