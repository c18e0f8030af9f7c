package httppoll

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/pull"
)

// routes answers by the path and query asked for; what is not among them is a 404.
func routes(pages map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.RequestURI()]
		head, body, linked := strings.Cut(page, "\n")
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case linked:
			w.Header().Set("Link", head)
			fmt.Fprint(w, body)
		default:
			fmt.Fprint(w, page)
		}
	}
}

// pageCase is what a server has, and what is to come of a poll.
type pageCase struct {
	fields, want, asked string
	pages               map[string]string
	state, says         string
}

func pageCases(elsewhere string) map[string]pageCase {
	return map[string]pageCase{
		"link": {
			`{"type": "link"}`, "1|2|3", "/l /l?p=2 /three", map[string]string{
				"/l":     `<http://x/>; rel=last, </l?p=2>; title="a, b; rel=next"; rel="prev next"` + "\n[1]",
				"/l?p=2": `</three#part>;rel=next` + "\n[2]", "/three": `</l>; rel=first` + "\n[3]",
			}, pull.StateReady, "",
		},
		"link in circles": {
			`{"type": "link"}`, "1|2", "/l /l?p=2",
			map[string]string{"/l": `</l?p=2>; rel=next` + "\n[1]", "/l?p=2": `</l>; rel=next` + "\n[2]"},
			StatePartial, "page 2 leads in circles",
		},
		"link to another host": {
			`{"type": "link"}`, "1", "/l",
			map[string]string{"/l": `<` + elsewhere + `/x>; rel=next` + "\n[1]"},
			StatePartial, "page 1 leads to another host",
		},
		"malformed link": {
			`{"type": "link"}`, "1", "/l", map[string]string{"/l": `<http://[x>; rel=next` + "\n[1]"}, resources.StateBackingOff, "malformed",
		},
		"cursor": {
			`{"type": "cursor", "param": "c", "next": "data.n"}`, "1|2|3", "/l /l?c=a%26b /l?c=7",
			map[string]string{"/l": `{"l": [1], "n": "a&b"}`, "/l?c=a%26b": `{"l": [2], "n": 7}`, "/l?c=7": `{"l": [3], "n": null}`},
			pull.StateReady, "",
		},
		"cursor unchanged": {
			`{"type": "cursor", "param": "c", "next": "data.n"}`, "1|2", "/l /l?c=a",
			map[string]string{"/l": `{"l": [1], "n": "a"}`, "/l?c=a": `{"l": [2], "n": "a"}`},
			StatePartial, "in circles",
		},
		"no cursor": {
			`{"type": "cursor", "param": "c", "next": "data.n"}`, "1", "/l",
			map[string]string{"/l": `{"l": [1], "n": {}}`},
			resources.StateBackingOff, "neither text nor a number",
		},
		"page": {
			`{"type": "page", "param": "page"}`, "1|2", "/l /l?page=2 /l?page=3",
			map[string]string{"/l": "[1]", "/l?page=2": "[2]", "/l?page=3": "[]"},
			pull.StateReady, "",
		},
		"page, as long as it says": {
			`{"type": "page", "param": "page", "next": "page < data.of"}`, "1|2", "/l /l?page=2",
			map[string]string{"/l": `{"l": [1], "of": 2}`, "/l?page=2": `{"l": [2], "of": 2}`},
			pull.StateReady, "",
		},
		"page, the same each time": {
			`{"type": "page", "param": "page"}`, "1", "/l /l?page=2", map[string]string{"/l": "[1]", "/l?page=2": "[1]"}, StatePartial, "page 2 leads in circles",
		},
		"max_pages": {
			`{"type": "page", "param": "page", "max_pages": 2}`, "1|2", "/l /l?page=2",
			map[string]string{"/l": "[1]", "/l?page=2": "[2]", "/l?page=3": "[3]"},
			StatePartial, "more than 2 pages",
		},
		"one that fails": {
			`{"type": "page", "param": "page"}`, "1", "/l /l?page=2", map[string]string{"/l": "[1]"}, resources.StateBackingOff, "404",
		},
	}
}

// A poll goes through the pages in each of the three ways, and ends where nothing leads on, at max_pages, where it goes in circles, or where it is
// led elsewhere; the last three are said. Seen to fail without each case of next, with the relation not looked at, and with the token of
// one page sent beside that of the next.
func TestPages(t *testing.T) {
	rig := newRig(t)
	elsewhere := serve(t, says(`[9]`))
	const items = `, "emit": "items", "items": "type(data) == \"array\" ? data : data.l", "pagination": `
	for name, test := range pageCases(elsewhere.URL) {
		s := serve(t, routes(test.pages))
		id := strings.NewReplacer(" ", "-", ",", "").Replace(name)
		h := rig.hold(id, s.spec(t, items+test.fields))
		if err := once(h); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range rig.got() {
			_, data, _ := strings.Cut(line, "=")
			got = append(got, data)
		}
		if asked := strings.Join(s.queries(), " "); strings.Join(got, "|") != test.want || asked != test.asked {
			t.Errorf("%s: %v from %s; want %s from %s", name, got, asked, test.want, test.asked)
		}
		rig.is(id, test.state, test.says)
		if len(elsewhere.queries()) > 0 {
			t.Errorf("%s: another host was asked", name)
		}
	}
}

// A cursor is what the server says it is, also one that goes back; an answer without one leaves it, and so does every failure, with 502 on the
// second page too: what lies behind it is not skipped. The token of a page does not become the cursor of the next poll. Seen to fail with the
// cursor kept in record by page as soon as it is extracted, and with the start of the poll taken from it.
func TestCursor(t *testing.T) {
	rig := newRig(t)
	usual := routes(map[string]string{
		"/l?since=5":     `{"l": [6], "at": 6, "n": "x"}`,
		"/l?p=x&since=5": `{"l": [7], "at": 7, "n": "y"}`,
		"/l?p=y&since=5": `{"l": [7]}`,
		"/l?since=7":     `{"l": []}`,
	})
	s := serve(t, usual)
	spec := s.spec(t, `, "emit": "items", "items": "data.l", "pagination": {"type": "cursor", "param": "p", "next": "data.n"},
		"cursor": {"param": "since", "extract": "data.at", "initial": "5"}`)
	h := rig.hold("a", spec)
	data := func() (all string) {
		for _, line := range rig.got() {
			_, data, _ := strings.Cut(line, "=")
			all += data
		}
		return all
	}
	for i, step := range []struct {
		answer      http.HandlerFunc // nil: the usual one
		asked, want string
		anew        bool // by another holder
	}{
		{status(502), "/l?since=5", "", false},
		{func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("p") {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			fmt.Fprint(w, `{"l": [6], "at": 6, "n": "x"}`)
		}, "/l?since=5 /l?p=x&since=5", "6", false},
		{says(`{"l": [6], "at": {}}`), "/l?since=5", "", false},
		{nil, "/l?since=5 /l?p=x&since=5 /l?p=y&since=5", "7", true},
		{nil, "/l?since=7", "", true},
		{status(504), "/l?since=7", "", false},
		{says(`{"l": [8], "at": 3}`), "/l?since=7", "8", false},
		{says(`{"l": [8, 9], "at": 9}`), "/l?since=3", "9", false},
		{says(`{"l": []}`), "/l?since=9", "", true},
	} {
		if step.anew {
			h = rig.hold("a", spec)
		}
		s.now(usual)
		if step.answer != nil {
			s.now(step.answer)
		}
		if err := once(h); err != nil {
			t.Fatal(err)
		}
		if asked, got := strings.Join(s.queries(), " "), data(); asked != step.asked || got != step.want {
			t.Errorf("step %d: %s from %s; want %s from %s", i, got, asked, step.want, step.asked)
		}
	}
	h = rig.hold("a", strings.Replace(spec, `"initial": "5"`, `"initial": "0"`, 1))
	if err := once(h); err != nil {
		t.Fatal(err)
	}
	if asked := s.queries(); asked[0] != "/l?since=0" {
		t.Errorf("with another beginning it asked for %s", asked[0])
	}
}
