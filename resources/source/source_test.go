package source

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

const all = `, "max_removal": 1`

// What is listed is there, as it is listed, and goes when it is listed no more, across holders; nothing is written while nothing changes. Seen to
// fail without each of add, update and remove, and with every poll compared.
func TestSourceFollowsTheList(t *testing.T) {
	rig := newRig(t)
	s := serve(t, list("a=1", "b=1"))
	spec := s.spec(t, all+`, "prefix": "p-"`)
	h := rig.hold("s", spec)
	rig.put(socket("mine"), `{"url": "wss://x.example/0"}`)
	for i, step := range []struct{ list, want string }{
		{list("a=1", "b=1"), "mine=0 p-a=1 p-b=1"},
		{list("b=2", "c=1", "a=1"), "mine=0 p-a=1 p-b=2 p-c=1"},
		{list("c=1"), "mine=0 p-c=1"},
		{list(), "mine=0"},
		{list("a=3"), "mine=0 p-a=3"},
	} {
		s.now(says(step.list))
		h.once(t)
		rig.is(fmt.Sprint("step ", i), step.want, "s", "")
		if i%2 == 0 {
			h = rig.hold("s", spec)
		}
	}
	if got := fmt.Sprint(rig.changes); got != "map[added:4 removed:3 updated:1]" {
		t.Errorf("counted %s", got)
	}
	before := rig.put("topics/x/y", "z")
	h.once(t)
	h.once(t)
	if after := rig.put("topics/x/y", "z"); after != before+1 {
		t.Errorf("%d writes though nothing had changed", after-before-1)
	}
	rig.put(socket("p-a"), "")
	h.once(t)
	rig.is("deleted by hand", "mine=0", "s", "")
	h.done = h.done.Add(-time.Hour)
	h.once(t)
	rig.is("an hour later", "mine=0 p-a=3", "s", "")
}

// A server that says that nothing has changed, or gives the same again, costs no more than that. Seen to fail with validators sent while something is
// left to do, and with none sent.
func TestSourceAsksConditionally(t *testing.T) {
	rig := newRig(t)
	s := serve(t, "")
	conditional := 0
	s.now(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") != "" {
			conditional++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, list("a=1"))
	})
	h := rig.hold("s", s.spec(t, ""))
	for range 3 {
		h.once(t)
	}
	h.done = time.Time{}
	if conditional != 2 {
		t.Errorf("asked with an ETag %d times", conditional)
	}
	if h.once(t); conditional != 2 {
		t.Error("asked with an ETag though not all was done")
	}
	rig.is("304", "a=1", "s", "")
}

// What is somebody else's stays as it is, and is said: what was there before, what was changed since, and what another source with the same prefix
// has put. Once it is gone, or as it was, it is the source's again. Seen to fail with a resource taken for its own because a record
// of it is there, and because none is, and without forget.
func TestSourceTouchesNothingElse(t *testing.T) {
	rig := newRig(t)
	s, other := serve(t, list("a=1", "b=1", "c=1")), serve(t, list("c=9", "d=9"))
	rig.put(socket("a"), `{"url": "wss://x.example/mine"}`)
	h, second := rig.hold("s", s.spec(t, all)), rig.hold("t", other.spec(t, all))
	h.once(t)
	second.once(t)
	rig.is("there before", "a=mine b=1 c=1 d=9", "s", `"a": it is not this source's`)
	rig.is("two sources", "a=mine b=1 c=1 d=9", "t", `"c": it is not this source's`)
	rig.put(socket("b"), `{"url": "wss://x.example/changed"}`)
	s.now(says(list("b=2", "c=2")))
	h.once(t)
	rig.is("changed by hand", "a=mine b=changed c=2 d=9", "s", `"b": it is not`)
	s.now(says(list("c=2")))
	h.once(t)
	rig.is("changed, and listed no more", "a=mine b=changed c=2 d=9", "s", "")
	s.now(says(list("b=2", "c=2")))
	h.once(t)
	rig.is("listed again", "a=mine b=changed c=2 d=9", "s", `"b": it is not`)
	rig.put(socket("b"), `{"url":"wss://x.example/1"}`) // what the source had put, which is somebody else's now
	s.now(says(list("c=2", "b=2")))
	h.once(t)
	rig.is("as it was long ago", "a=mine b=1 c=2 d=9", "s", `"b": it is not`)
	rig.put(socket("b"), "")
	s.now(says(list("b=3", "c=2")))
	h.once(t)
	rig.is("gone", "a=mine b=3 c=2 d=9", "s", "")
	rig.put(socket("b"), `{"url":"wss://x.example/3"}`) // as drm retry does
	s.now(says(list("c=2", "b=4")))
	h.once(t)
	rig.is("put again as it was", "a=mine b=4 c=2 d=9", "s", "")
	other.now(says(list("d=8")))
	second.once(t)
	s.now(says(list()))
	h.once(t)
	rig.is("all gone", "a=mine d=8", "s", "")
}

// More than max_removal is not removed at once, and it is said; all else goes on. Seen to fail without the comparison, and with it made against
// all resources there are.
func TestSourceRefusesMassRemoval(t *testing.T) {
	rig := newRig(t)
	s := serve(t, list("a=1", "b=1", "c=1", "d=1"))
	h := rig.hold("s", s.spec(t, ""))
	h.once(t)
	for i := range 20 {
		rig.put(socket(fmt.Sprint("mine", i+10)), `{"url": "wss://x.example/0"}`)
	}
	mine := strings.TrimPrefix(rig.there(), "a=1 b=1 c=1 d=1")
	for _, step := range []struct{ list, want, says string }{
		{list(), "a=1 b=1 c=1 d=1", "4 of the 4 resources"},
		{list("e=1", "a=2"), "a=2 b=1 c=1 d=1 e=1", "3 of the 4 resources"},
		{list("e=1", "a=2", "b=1"), "a=2 b=1 e=1", ""},
		{list("e=1"), "a=2 b=1 e=1", "2 of the 3 resources of this source are listed no more, which is more than max_removal (0.5)"},
	} {
		s.now(says(step.list))
		h.once(t)
		rig.is(step.list, step.want+mine, "s", step.says)
	}
	h = rig.hold("s", s.spec(t, all))
	h.once(t)
	rig.is("told to", "e=1"+mine, "s", "")
	h = rig.hold("s", s.spec(t, all+`, "prefix": "new-"`))
	h.once(t)
	rig.is("another prefix", strings.TrimSpace(mine)+" new-e=1", "s", "")
}

// A list that is no good changes nothing, an entry that is no good nothing but itself. Seen to fail with a truncated list taken for what came of it, and
// without each check of read and wishes.
func TestBadLists(t *testing.T) {
	rig := newRig(t)
	s := serve(t, list("a=1", "b=1"))
	h := rig.hold("s", s.spec(t, all))
	h.once(t)
	for answer, problem := range map[string]string{
		list("a=2")[:20]:                   "unexpected end of JSON",
		list("a=2") + "x":                  "invalid character",
		`[]`:                               "cannot unmarshal array",
		`{}`:                               "no member data",
		`{"data": null}`:                   "no member data",
		`{"data": {}}`:                     "cannot unmarshal object",
		``:                                 "unexpected end of JSON",
		"{\"data\": [{\"id\": \"\xff\"}]}": "not UTF-8",
		"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + `{"data": []}`: "unexpected EOF",
	} {
		s.now(func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(answer, "HTTP") {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					fmt.Fprint(conn, answer)
					_ = conn.Close()
				}
				return
			}
			fmt.Fprint(w, answer)
		})
		h.once(t)
		rig.is(answer, "a=1 b=1", "s", problem)
	}
	for entry, problem := range map[string]string{
		`{"id": "x/y", "url": "wss://x.example/1"}`: `"entry 3": read id "x/y"`,
		`{"url": "wss://x.example/1"}`:              `"entry 3": it has no id`,
		`{"id": 1.5, "url": "wss://x.example/1"}`:   `"entry 3": it has no id`,
		`7`: `"entry 3": it is no object`,
		`{"id": "x", "urll": "wss://x.example/1"}`:                   `"x": read spec: line 1, column 2: urll is not a known field`,
		`{"id": "b", "url": "wss://x.example/2"}`:                    `"b": it is listed twice`,
		`{"id": "x", "url": "` + strings.Repeat("u", maxSpec) + `"}`: `"x": its spec has`,
	} {
		s.now(says(`{"data": [{"id": "a", "url": "wss://x.example/1"}, {"id": "b", "url": "wss://x.example/1"}, ` + entry + `]}`))
		h.once(t)
		rig.is(entry[:min(len(entry), 60)], "a=1 b=1", "s", problem)
	}
	s.now(says(list("a=2", "b=1", "b=1", "c=1")))
	h.once(t)
	rig.is("the same twice", "a=2 b=1 c=1", "s", "")
}

// Other forms: an entry a line, and what expressions make of anything else. Seen to fail with the last line left out, and with ids without their
// prefix given to spec.
func TestForms(t *testing.T) {
	rig := newRig(t)
	s := serve(t, `{"id": 7, "url": "wss://x.example/1"}`+"\n"+`{"id":"b","url":"wss://x.example/2"}`+"\n\n")
	h := rig.hold("s", s.spec(t, all+`, "format": "jsonl"`))
	h.once(t)
	rig.is("lines", "7=1 b=2", "s", "")
	s.now(says(`{"id": "b", "url": "wss://x.example/2"}` + "\n" + `{"id": "c", `))
	h.once(t)
	rig.is("a line cut off", "7=1 b=2", "s", "entry 2")
	s.now(says(`["x", "y"]`))
	h = rig.hold("s", s.spec(t, all+`, "prefix": "e-", "items": "data", "id": "data", "spec": "{\"url\": \"wss://x.example/\" + id}"`))
	h.once(t)
	rig.is("expressions", "e-x=e-x e-y=e-y", "s", "")
	s.now(says(`{}`))
	h.once(t)
	rig.is("no list", "e-x=e-x e-y=e-y", "s", "it gave no list")
}

// A holder that was replaced changes nothing any more. A source that is down for long leaves everything as it is. Seen to fail with ErrFenced
// taken for any other trouble.
func TestSourceIsFenced(t *testing.T) {
	rig := newRig(t)
	s := serve(t, list("a=1"))
	old := rig.hold("s", s.spec(t, all))
	old.once(t)
	for range 3 {
		s.now(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		old.once(t)
		rig.is("down", "a=1", "s", "502")
	}
	rig.hold("s", s.spec(t, all)).once(t)
	s.now(says(list("a=2", "b=1")))
	if err := old.loop.Poll(old.poll); !errors.Is(err, state.ErrFenced) {
		t.Errorf("%v", err)
	}
	rig.is("fenced", "a=1", "s", "502")
}

// What is wrong with a spec is said. Seen to fail without each case of readSpec.
func TestSpecErrors(t *testing.T) {
	r := New(Options{Kinds: []string{"webhook", "websocket"}})
	for fields, says := range map[string]string{
		`"prefix": "x"`:                                           "kind is missing",
		`"kind": "source"`:                                        "can't list sources",
		`"kind": "webscoket"`:                                     "known are webhook, websocket",
		`"kind": "websocket", "prefix": "a/"`:                     "prefix can't be in an id",
		`"kind": "websocket", "max_removal": 1.5`:                 "from 0 to 1",
		`"kind": "websocket", "format": "jsonl", "items": "data"`: "each line is an entry",
		`"kind": "websocket", "interval": "1ms"`:                  "interval",
		`"kind": "websocket", "url": "http://x.example/"`:         "given twice",
	} {
		err := r.Check([]byte(`{"url": "https://api.example.com/", ` + fields + `}`))
		var wrong *resources.SpecError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %s", fields, err, says)
		}
	}
}
