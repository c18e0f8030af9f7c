package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not ready: no term", http.StatusServiceUnavailable)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, test := range []struct {
		name string
		env  string
		args []string
		code int
		says string
	}{
		{"alive", "", []string{"--url", server.URL + "/"}, exitOK, "ok\n"},
		{"not ready", "", []string{"--url", server.URL, "--ready"}, exitError, "node is not well: 503 Service Unavailable: not ready: no term"},
		{"where the node listens", "DRM_LISTEN=0.0.0.0:" + port, nil, exitOK, "ok\n"},
		{"on every address", "", []string{"--listen", ":" + port}, exitOK, "ok\n"},
		{"no port", "", []string{"--listen", "here"}, exitError, "read --listen"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := call([]string{test.env}, append([]string{"healthcheck"}, test.args...)...)
			if code != test.code || !strings.Contains(stdout+stderr, test.says) {
				t.Errorf("code %d, want %d; want it to say %q; it said %s%s", code, test.code, test.says, stdout, stderr)
			}
		})
	}
}
