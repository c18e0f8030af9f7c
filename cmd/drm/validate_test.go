package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// All examples, and the complete example of each kind's page, are taken.
func TestExamplesAreValid(t *testing.T) {
	flat, err := filepath.Glob("../../examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	deep, err := filepath.Glob("../../examples/*/*.json")
	if err != nil || len(flat) < 4 || len(deep) < 6 {
		t.Fatalf("examples %v %v (%v)", flat, deep, err)
	}
	code, stdout, stderr := call(nil, append([]string{"validate"}, append(flat, deep...)...)...)
	if code != exitOK || strings.Count(stdout, ": ok\n") != len(flat)+len(deep) {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)```")
	for _, kind := range kindNames {
		page, err := os.ReadFile("../../docs/kinds/" + kind + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := run(process{stdin: bytes.NewReader(example.FindSubmatch(page)[1]), stdout: &out, stderr: &out}, []string{"validate", "--kind", kind, "-"})
		if code != exitOK || out.String() != "-: ok\n" {
			t.Errorf("%s: code %d: %s", kind, code, out.String())
		}
	}
}

// What is wrong is said as a node says it, of each file, and the end of it all tells a script. Seen to fail with ReadShared left out (the
// weight), with the checks of the kinds left out, and with the directory not looked at.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	for file, c := range map[string]struct{ spec, says string }{
		"websocket/a.json": {`{"url": "wss://a.example"}`, "ok"},
		"websocket.b.json": {"{\n  \"url\": \"wss://a.example\", \"pings\": 1}", `read spec: line 2, column 29: pings is not a known field; did you mean "ping"?`},
		"webhook-c.json":   {`{"url": "https://a.example", "topics": ["a"], "filter": "data.n >"}`, "filter"},
		"websocket/d.json": {`{"url": "wss://a.example", "sink": {"type": "file", "path": "../x"}}`, "sink.path"},
		"websocket/e.json": {`{"url": "wss://a.example", "weight": 0}`, "weight is 0"},
		"websocket/f.json": {"", "the spec is empty"},
		"websocket/g.json": {`{"url": `, "line 1"},
		"x.json":           {`{}`, "its kind is not known: give --kind, one of http_poll,"},
		"websocket/h.json": {"missing", "no such file"},
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if c.spec != "missing" {
			if err := os.WriteFile(path, []byte(c.spec), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, stdout, stderr := call(nil, "validate", path)
		want := exitError
		if c.says == "ok" {
			want = exitOK
		}
		if code != want || !strings.HasPrefix(stdout, path+": ") || !strings.Contains(stdout, c.says) {
			t.Errorf("%s: code %d: %s%s; want %q", file, code, stdout, stderr, c.says)
		}
	}
	if code, _, stderr := call(nil, "validate", "--kind", "websokcet", "x"); code != exitUsage || !strings.Contains(stderr, `did you mean "websocket"?`) {
		t.Errorf("code %d: %s", code, stderr)
	}
}
