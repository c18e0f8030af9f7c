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
	documented := map[string]string{} // method and path → its section
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		for _, word := range strings.Split(heading, "`") {
			if strings.HasPrefix(word, "GET /") || strings.HasPrefix(word, "POST /") {
				documented[word] = body
			}
		}
	}
	s := &server{Options: Options{Metrics: http.NotFoundHandler()}}
	for _, r := range s.routes() {
		path := strings.TrimSuffix(r.path, "{$}")
		heading := r.method() + " " + path
		section, found := documented[heading]
		delete(documented, heading)
		example := strings.NewReplacer("{kind}/{id}/retry", "websocket/ticker/retry", "{kind}/{id}/send", "websocket/ticker/send", "{kind}/{id}/", "webhook/shop/", "{kind}", "websocket", "{id}", "ticker",
			"{topic}", "orders").Replace(path)
		switch {
		case !found:
			t.Errorf("docs/api.md has no heading with `%s`", heading)
		case !strings.Contains(section, "curl -s") || !strings.Contains(section, "localhost:7376"+example):
			t.Errorf("docs/api.md has no curl of localhost:7376%s under its heading", example)
		}
	}
	for heading := range documented {
		t.Errorf("docs/api.md has a heading for %s, which is not served", heading)
	}
}
