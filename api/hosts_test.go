package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Only names that are the node's are answered to. Seen to fail with allows always true.
func TestHosts(t *testing.T) {
	for host, allowed := range map[string]bool{
		"localhost":                    true,
		"LOCALHOST:7376":               true,
		"a.localhost":                  true,
		"127.0.0.1:7376":               true,
		"127.9.9.9":                    true,
		"[::1]:7376":                   true,
		"[::1]":                        true,
		"10.0.3.4:7376":                true, // behind a published port the address is not this machine's
		"node-a":                       true,
		"drm.example.com":              true,
		"drm.example.com.:80":          true,
		"drm-0.drm.svc.cluster.local":  true,
		"evil.example":                 false,
		"evil.example:7376":            false,
		"localhost.evil.example":       false,
		"127.0.0.1.nip.io":             false,
		"drm.example.com.evil.example": false,
		".svc.cluster.local":           false,
		"evilsvc.cluster.local":        false,
		"0x7f000001":                   false,
	} {
		for _, path := range []string{"/", "/metrics", "/healthz", "/v1/cluster", "/nowhere"} {
			answer, body := newNode().ask(t, "GET", path, "Host", host)
			if refused := answer.StatusCode == http.StatusMisdirectedRequest; refused == allowed {
				t.Errorf("Host %s, %s: %s", host, path, answer.Status)
			}
			if !allowed && !strings.Contains(body, "--allow-host "+hostName(host)) {
				t.Errorf("Host %s: %s", host, body)
			}
		}
	}
}

// A health checker that speaks HTTP/1.0 names no host.
func TestNoHost(t *testing.T) {
	server := httptest.NewServer(newNode().handler())
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /healthz HTTP/1.0\r\n\r\n")
	if status, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(status, " 200 ") {
		t.Errorf("%q, %v", status, err)
	}
}

// A page of another origin can't write, even once something can be written.
// Seen to fail with the mux given to the host check directly: the answer is then 405.
func TestCrossOrigin(t *testing.T) {
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		answer, body := newNode().ask(t, "POST", "/v1/resources/websocket/a", header...)
		if answer.StatusCode != http.StatusForbidden || !strings.Contains(body, `"error"`) {
			t.Errorf("%v: %s %s", header, answer.Status, body)
		}
	}
}

// Every answer, errors among them, tells browsers to keep and trust nothing.
func TestSecurityHeaders(t *testing.T) {
	for _, path := range []string{"/", "/metrics", "/readyz", "/v1/cluster", "/v1/resources/websocket/nope", "/nowhere"} {
		answer, _ := newNode().ask(t, "GET", path)
		for header, want := range map[string]string{
			"Cache-Control":                "no-store",
			"X-Content-Type-Options":       "nosniff",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "no-referrer",
			"Access-Control-Allow-Origin":  "",
		} {
			if got := answer.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", path, header, got, want)
			}
		}
	}
}

// Headers beyond 16 KiB (and the little that net/http adds) are refused, so that nobody fills the node's memory with them.
func TestHugeHeader(t *testing.T) {
	address := serveForTest(t, newNode().handler())
	request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("x", 32<<10))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s, %v", answer.Status, err)
	}
}
