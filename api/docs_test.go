package api

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// Every route has a heading in docs/api.md and, before the next, a curl of it; and there is no heading of a route that
// isn't served. Seen to fail with /livez renamed in routes, and with a curl line taken out.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // path → its section
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		for _, word := range strings.Split(heading, "`") {
			if path, ok := strings.CutPrefix(word, "GET "); ok {
				documented[path] = body
			}
		}
	}
	s := &server{Options: Options{Metrics: http.NotFoundHandler()}}
	for _, r := range s.routes() {
		path := strings.TrimSuffix(r.path, "{$}")
		section, found := documented[path]
		delete(documented, path)
		example := strings.NewReplacer("{kind}", "websocket", "{id}", "ticker").Replace(path)
		switch {
		case !found:
			t.Errorf("docs/api.md has no heading with `GET %s`", path)
		case !strings.Contains(section, "curl -s") || !strings.Contains(section, "localhost:7376"+example):
			t.Errorf("docs/api.md has no curl of localhost:7376%s under its heading", example)
		}
	}
	for path := range documented {
		t.Errorf("docs/api.md has a heading for %s, which is not served", path)
	}
}
