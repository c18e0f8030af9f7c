package httppoll

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/pull"
)

// start is where a poll begins.
func (s *spec) start(cursor string) (*url.URL, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, errors.New("read url: it is malformed") // Check refuses such a one
	}
	if s.Cursor.Param != "" && cursor != "" {
		return with(u, s.Cursor.Param, cursor), nil
	}
	return u, nil
}

// with returns a URL with one parameter set.
func with(u *url.URL, name, value string) *url.URL {
	to := *u
	query := to.Query()
	query.Set(name, value)
	to.RawQuery = query.Encode()
	return &to
}

// way is what a poll has come along.
type way struct {
	spec    *spec
	from    *url.URL // where it began
	visited map[string]bool
	before  [sha256.Size]byte // of the body of the page before
	cut     error             // why it ended before the last page
}

// next returns where the page after this one is, nil if this is the last, or there is no getting on.
func (w *way) next(a *pull.Answer, p *page) (*url.URL, error) {
	to, err := w.target(a, p)
	if err != nil || to == nil {
		return nil, err
	}
	switch before := w.before; {
	case !post.SameOrigin(to, w.from):
		w.cut = fmt.Errorf("page %d leads to another host, %s, where no credentials are sent; the pages there were not read", p.Page, to.Host)
	case w.visited[to.String()] || p.Page > 1 && p.sum == before:
		w.cut = fmt.Errorf("page %d leads in circles; what may lie behind it was not read", p.Page)
	case p.Page == w.spec.Pagination.MaxPages:
		w.cut = fmt.Errorf("there are more than %d pages (pagination.max_pages); those behind were not read", p.Page)
	default:
		w.visited[to.String()] = true
		w.before = p.sum
		return to, nil
	}
	return nil, nil
}

// target is where the answer says that the next page is, nil for nowhere.
func (w *way) target(a *pull.Answer, p *page) (*url.URL, error) {
	pages := &w.spec.Pagination
	if pages.Type == pagesLink {
		link := nextLink(a.Header.Values("Link"))
		if link == "" {
			return nil, nil
		}
		to, err := a.URL.Parse(link)
		if err != nil {
			return nil, errors.New("read the header Link: its URL is malformed")
		}
		to.Fragment, to.RawFragment = "", ""
		return to, nil
	}
	token, more := strconv.Itoa(p.Page+1), len(p.Items) > 0
	if !pages.Next.Empty() {
		value, err := pages.Next.Eval(p.answer)
		if err != nil {
			return nil, fmt.Errorf("evaluate pagination.next: %w", err)
		}
		said, ok := text(value)
		yes, isBool := value.(bool)
		switch {
		case !ok && !isBool, isBool && yes && pages.Type == pagesCursor:
			return nil, errors.New("evaluate pagination.next: it is neither text nor a number")
		case pages.Type == pagesCursor:
			token = said
		}
		more = yes || said != ""
	}
	if pages.Type == pagesNone || !more {
		return nil, nil
	}
	return with(w.from, pages.Param, token), nil
}

// nextLink returns the URL of the first link whose relation is next (RFC 8288), "" if there is none.
func nextLink(headers []string) string {
	for _, header := range headers {
		for rest := header; ; {
			_, from, ok := strings.Cut(rest, "<")
			target, after, closed := strings.Cut(from, ">")
			if !ok || !closed {
				break
			}
			var params string
			if params, rest = untilComma(after); relation(params) {
				return target
			}
		}
	}
	return ""
}

// untilComma cuts at the first comma that is not between quotes.
func untilComma(s string) (before, after string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// relation tells whether the parameters of a link name the relation next.
func relation(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
	}
	return false
}
