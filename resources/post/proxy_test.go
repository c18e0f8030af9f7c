package post

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// proxy answers each CONNECT with an answer, and when that is 200 passes on bytes to where it was asked to.
func proxy(t *testing.T, answer string) (url string, asked func() []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var targets []string
	ctx, stop := context.WithCancel(context.Background())
	var joined sync.WaitGroup
	pass := func(client net.Conn) {
		defer context.AfterFunc(ctx, func() { _ = client.Close() })()
		defer client.Close()
		from := bufio.NewReader(client)
		req, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		mu.Lock()
		targets = append(targets, req.Method+" "+req.Host)
		mu.Unlock()
		if _, err = io.WriteString(client, answer); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200") {
			return
		}
		server, err := net.Dial("tcp", req.Host)
		if err != nil {
			return
		}
		defer server.Close()
		joined.Go(func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		})
		_, _ = io.Copy(server, from)
	}
	joined.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			joined.Go(func() { pass(conn) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		joined.Wait()
	})
	return "http://" + listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return targets
	}
}

// A proxy is asked for a tunnel to the very host, and TLS is spoken through it with that host.
func TestProxy(t *testing.T) {
	through, asked := proxy(t, "HTTP/1.1 200 Connection established\r\n\r\n")
	s := serve(t, fine)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(fine))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.URL, secure.URL} {
		a, err := open(t, url, `, "tls": {"ca_file": "`+ca+`"}`, resources.Network{Proxy: through}).hello(t.Context())
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("%s: %v, %v", url, a, err)
		}
	}
	host := func(url string) string { _, h, _ := strings.Cut(url, "//"); return h }
	if got := strings.Join(asked(), ", "); got != "CONNECT "+host(s.URL)+", CONNECT "+host(secure.URL) {
		t.Errorf("asked for %s", got)
	}
}

// A proxy that gives no tunnel leaves no doubt, and the guard judges the proxy as it does any other.
func TestProxyTrouble(t *testing.T) {
	s := serve(t, fine)
	for answer, want := range map[string]string{
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n": "ask network.proxy: it answered 403 Forbidden",
		"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n":      "it sent more than an answer",
		"SSH-2.0-OpenSSH_9.2\r\n":                             "ask network.proxy: malformed HTTP",
		"HTTP/1.1 403 " + strings.Repeat("x", 1<<20):          "ask network.proxy: ",
	} {
		through, _ := proxy(t, answer)
		_, err := open(t, s.URL, "", resources.Network{Proxy: through}).hello(t.Context())
		var failed *Error
		if !errors.As(err, &failed) || failed.Sent || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", answer, err)
		}
	}
	through, asked := proxy(t, "")
	clients := NewClients(nil)
	defer clients.Close()
	_, err := clients.Open(target(t, "http://x.example", ""), resources.Network{Proxy: through}, 0).hello(t.Context())
	if !resources.IsBlocked(err) || len(asked()) > 0 || len(s.requests) > 0 {
		t.Errorf("%v", err)
	}
}

// Posters with equal settings share connections; those with others do not.
func TestPools(t *testing.T) {
	clients := NewClients(nil)
	to := target(t, "http://x.example", "")
	other := *to
	other.TLS.ServerName = "y.example"
	pool := func(to *Target, n resources.Network) *http.Transport { return clients.Open(to, n, 1).transport }
	same := pool(to, resources.Network{Ports: []int{80}}) == pool(target(t, "http://y.example", ""), resources.Network{Ports: []int{80}})
	differ := pool(to, resources.Network{}) != pool(&other, resources.Network{})
	if !same || !differ {
		t.Errorf("same %v, differ %v", same, differ)
	}
}
