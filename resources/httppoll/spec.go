package httppoll

import (
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/sink"
)

// What is handed to the sink.
const (
	emitChanged = "changed" // the body, when it is another than the last time
	emitAlways  = "always"  // the body of each answer
	emitItems   = "items"   // each item that was not seen before
)

// How to get at the next page.
const (
	pagesNone   = "none"
	pagesLink   = "link"   // the header Link says (RFC 8288)
	pagesCursor = "cursor" // the answer holds a token for it
	pagesPage   = "page"   // pages have numbers
)

// spec is what an http_poll resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared
	pull.Spec

	Emit       string                            `json:"emit" oneof:"changed always items"`
	Items      resources.Expression[answer, any] `json:"items"`       // gives the list of items; empty: the body is one
	ID         resources.Expression[thing, any]  `json:"id"`          // of an item
	HashIgnore []path                            `json:"hash_ignore"` // what of a body or an item doesn't count as a change
	Dedupe     dedupeSpec                        `json:"dedupe"`
	Pagination pagesSpec                         `json:"pagination"`
	Cursor     cursorSpec                        `json:"cursor"`
	Filter     resources.Expression[thing, bool] `json:"filter"`
	Transform  resources.Expression[thing, any]  `json:"transform"`
	Sink       sink.Spec                         `json:"sink"`
}

// dedupeSpec says what items are remembered by which a new one is told.
type dedupeSpec struct {
	Max int              `json:"max" min:"1" max:"100000"`
	TTL cluster.Duration `json:"ttl" min:"1s" max:"8760h"` // after an item was last listed
}

// pagesSpec says how to get at the next page.
type pagesSpec struct {
	Type     string                            `json:"type" oneof:"none link cursor page"`
	Next     resources.Expression[answer, any] `json:"next"` // of type cursor: the token; of type page: whether there is more. "", null, false: no more
	Param    string                            `json:"param"`
	MaxPages int                               `json:"max_pages" min:"1" max:"100000"`
}

// cursorSpec says what is sent along so that the server leaves out what it has given before.
type cursorSpec struct {
	Param   string                            `json:"param"`
	Extract resources.Expression[answer, any] `json:"extract"` // gives the next one; "" or null: it stays
	Initial string                            `json:"initial"`
}

func defaults() spec {
	return spec{
		Spec:       pull.Defaults(),
		Emit:       emitChanged,
		Dedupe:     dedupeSpec{Max: 10_000, TTL: cluster.Duration(24 * time.Hour)},
		Pagination: pagesSpec{Type: pagesNone, MaxPages: 100},
	}
}

// readSpec reads a spec strictly.
func readSpec(raw []byte) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if err := s.Spec.Check(); err != nil {
		return nil, err
	}
	return &s, s.check()
}

// check says which fields don't fit together.
func (s *spec) check() error {
	items, pages := s.Emit == emitItems, s.Pagination.Type
	switch {
	case !items && !s.ID.Empty():
		return resources.Wrong("id", `is given, but emit is not "items"`)
	case s.Emit == emitChanged && pages != pagesNone:
		return resources.Wrong("pagination.type", `is given, but emit is "changed", which is about one page; set emit to "items" or "always"`)
	case pages == pagesNone && s.Pagination.Param != "", pages == pagesLink && s.Pagination.Param != "":
		return resources.Wrong("pagination.param", fmt.Sprintf("is given, which pagination.type %q does not use", pages))
	case (pages == pagesNone || pages == pagesLink) && !s.Pagination.Next.Empty():
		return resources.Wrong("pagination.next", fmt.Sprintf("is given, which pagination.type %q does not use", pages))
	case (pages == pagesCursor || pages == pagesPage) && s.Pagination.Param == "":
		return resources.Wrong("pagination.param", `is missing; name the parameter of the URL that asks for a page, such as "page"`)
	case pages == pagesCursor && s.Pagination.Next.Empty():
		return resources.Wrong("pagination.next", `is missing; give the expression of the next page's token, such as "data.next"`)
	case pages == pagesPage && s.Pagination.Next.Empty() && !items && s.Items.Empty():
		return resources.Wrong("pagination.next", `is missing, and so is items: nothing tells which page is the last`)
	case (s.Cursor.Param == "") != s.Cursor.Extract.Empty():
		return resources.Wrong("cursor", "needs both param and extract, or neither")
	case s.Cursor.Param == "" && s.Cursor.Initial != "":
		return resources.Wrong("cursor.initial", "is given without cursor.param")
	}
	return nil
}

// path names something in JSON: names of members with dots between them, * for each member or element.
type path []string

// UnmarshalText reads a path.
func (p *path) UnmarshalText(b []byte) error {
	*p = strings.Split(string(b), ".")
	for _, name := range *p {
		if name == "" {
			return fmt.Errorf(`read path %q: write names with dots between them, * for each, such as "items.*.updated"`, b)
		}
	}
	return nil
}

// cut removes what the path names from a JSON value.
func (p path) cut(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch {
			case p[0] != "*" && p[0] != name:
			case len(p) == 1:
				delete(v, name)
			default:
				p[1:].cut(member)
			}
		}
	case []any:
		for i := range v {
			if p[0] == "*" && len(p) > 1 {
				p[1:].cut(v[i])
			}
		}
	}
}
