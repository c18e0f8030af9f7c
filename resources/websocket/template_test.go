package websocket

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// What fills a hole can't get out of the string that the hole is in, keeps its type where it stands alone in an object, and goes in as
// it is elsewhere. Seen to fail with escaped returning its text, and with lone true for a text.
func TestTemplates(t *testing.T) {
	values := terms{
		Msg:    map[string]any{"id": `x","admin":true,"y":"`, "n": 7, "list": []any{1, "a"}},
		Resume: map[string]any{"seq": 41, "session": "s-1"},
	}
	secrets := map[string]resources.Secret{"token": resources.Literal(`hu"sh`)}
	for _, c := range []struct{ spec, want string }{
		{`"ping"`, "ping"},
		{`""`, ""},
		{`"{\"op\":\"ping\"}"`, `{"op":"ping"}`},
		{`"{ \"op\" : 1 }"`, `{ "op" : 1 }`}, // a text without holes stays as it is
		{`"a ${msg.n} b $${x} c"`, "a 7 b ${x} c"},
		{`"{\"ack\":\"${msg.id}\"}"`, `{"ack":"x\",\"admin\":true,\"y\":\""}`},
		{`"{\"ack\":\"${msg.n}\"}"`, `{"ack":"7"}`},
		{`"{\"seq\": ${resume.seq}}"`, `{"seq": 41}`}, // not JSON before it is filled
		{`"{\"seq\": ${resume.none}}"`, `{"seq": null}`},
		{`{"ack": "${msg.id}"}`, `{"ack":"x\",\"admin\":true,\"y\":\""}`},
		{`{"op": 6, "d": {"seq": "${resume.seq}"}}`, `{"op":6,"d":{"seq":41}}`},
		{`{"d": "${resume.none}", "${resume.session}": 1}`, `{"d":null,"s-1":1}`},
		{`["${msg.list}", "n=${msg.n}", "\u00fc\"${1}\\"]`, `[[1,"a"],"n=7","ü\"1\\"]`},
		{`{"token": "${secret:token}"}`, `{"token":"hu\"sh"}`},
		{`"AUTH ${secret:token}"`, `AUTH hu"sh`},
		{`{"a": "${ {'x': \"}\"}.x + '{' }"}`, `{"a":"}{"}`},
		{`{"a": "$${not}", "b": "${ len(resume.session) }"}`, `{"a":"${not}","b":3}`},
	} {
		var x template
		if err := json.Unmarshal([]byte(c.spec), &x); err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if err := x.check("send", secrets); err != nil {
			t.Errorf("%s: %v", c.spec, err)
		}
		if got, err := x.fill(values, secrets); err != nil || got != c.want {
			t.Errorf("%s gave %s, %v; want %s", c.spec, got, err, c.want)
		}
	}
}

// A template that can't be filled says why, and shows neither secrets nor what came from the other side.
func TestTemplateErrors(t *testing.T) {
	for spec, want := range map[string]string{
		`7`:                    "neither text nor an object",
		`"${msg.x"`:            "has a ${ without its }",
		`"${}"`:                "empty ${}",
		`"${message}"`:         "unknown name message",
		`{"a": "${secret:b}"}`: `uses ${secret:b}, which is not in "secrets"`,
		`{"a": "x${msg.b}"}`:   "nothing to fill it with",
		`"${msg.a.b.c}"`:       "cannot fetch c",
	} {
		var x template
		err := json.Unmarshal([]byte(spec), &x)
		if err == nil {
			err = x.check("send", nil)
		}
		if err == nil {
			_, err = x.fill(terms{Msg: map[string]any{"a": map[string]any{}}}, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", spec, err, want)
		}
	}
}
