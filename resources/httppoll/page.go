package httppoll

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
)

// answer is what expressions about a page may name.
type answer struct {
	Data    any               `expr:"data"` // as JSON has it; text when it is none
	Items   []any             `expr:"items"`
	Status  int               `expr:"status"`
	Headers map[string]string `expr:"headers"` // by names in lower case
	Page    int               `expr:"page"`    // from 1
	Cursor  string            `expr:"cursor"`  // as the page before it left it
}

// thing is what expressions about what goes to the sink, an item or a body, may name.
type thing struct {
	Data    any               `expr:"data"`
	ID      string            `expr:"id"` // "" in the field id
	Status  int               `expr:"status"`
	Headers map[string]string `expr:"headers"`
	Page    int               `expr:"page"`
}

// page is what one answer holds.
type page struct {
	answer
	body []byte
	sum  [sha256.Size]byte // of the body as it came
}

// read takes an answer apart. An error is about what the server said.
func (s *spec) read(a *pull.Answer, number int, cursor string) (*page, error) {
	p := &page{body: bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf")), sum: sha256.Sum256(a.Body)}
	p.Status, p.Page, p.Cursor, p.Headers = a.Status, number, cursor, map[string]string{}
	for name, values := range a.Header {
		p.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if !s.looksInside() {
		return p, nil
	}
	listed := s.Emit == emitItems || !s.Items.Empty()
	if listed && !utf8.Valid(p.body) {
		return nil, errors.New("read items: the body is not UTF-8, as JSON must be")
	}
	var err error
	if p.Data, err = resources.ParseJSON(p.body); err != nil {
		p.Data = string(p.body)
	}
	empty := len(bytes.TrimSpace(p.body)) == 0
	switch {
	case !listed || empty:
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("read items: %w", err)
	}
	list := p.Data
	if !s.Items.Empty() {
		if list, err = s.Items.Eval(p.answer); err != nil {
			return nil, fmt.Errorf("evaluate items: %w", err)
		}
	}
	var ok bool
	if p.Items, ok = list.([]any); !ok {
		return nil, fmt.Errorf("read items: they are %s; they must be a list (see items)", sort(list))
	}
	return p, nil
}

// looksInside tells whether anything asks for more than the bytes of a body.
func (s *spec) looksInside() bool {
	return s.Emit == emitItems || !s.Items.Empty() || !s.Filter.Empty() || !s.Transform.Empty() || !s.Cursor.Extract.Empty() ||
		!s.Pagination.Next.Empty() || len(s.HashIgnore) > 0
}

// sort says what a value of JSON is.
func sort(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case string:
		return "text"
	case bool:
		return "true or false"
	}
	return "a number"
}

// thing returns what expressions about something of the page may name.
func (p *page) thing(data any, id string) thing {
	return thing{Data: data, ID: id, Status: p.Status, Headers: p.Headers, Page: p.Page}
}

// idOf returns by what an item is known: what id says, or a hash of the item where that says nothing.
func (s *spec) idOf(p *page, item any) (string, error) {
	if !s.ID.Empty() {
		if v, err := s.ID.Eval(p.thing(item, "")); err == nil {
			if id, ok := text(v); ok && id != "" {
				return id, nil
			}
		}
	}
	encoded, err := resources.EncodeJSON(item)
	if err != nil {
		return "", err
	}
	if encoded, err = s.without(encoded); err != nil {
		return "", err
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16]), nil
}

// print is the hash by which a changed body is told. What hash_ignore names does not count.
func (s *spec) print(p *page) (string, error) {
	if len(s.HashIgnore) == 0 {
		return hex.EncodeToString(p.sum[:16]), nil
	}
	body, err := s.without(p.body)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16]), nil
}

// without returns JSON without what hash_ignore names, its members in order. What is no JSON stays as it is.
func (s *spec) without(data []byte) ([]byte, error) {
	if len(s.HashIgnore) == 0 {
		return data, nil
	}
	v, err := resources.ParseJSON(data)
	if err != nil {
		return data, nil
	}
	for _, p := range s.HashIgnore {
		p.cut(v)
	}
	return resources.EncodeJSON(v)
}

// brief is what is remembered of an id.
func brief(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// text returns a value that stands for an id, a token or a cursor; false is none of these, as null is.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
