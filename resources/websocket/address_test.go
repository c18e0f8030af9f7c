package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

// desk answers plain requests with f and returns its URL.
func desk(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

// openNetwork lets a spec call http:// at any port of this machine.
func openNetwork(to string) string {
	return `"network": {"allow_http": true, "ports": [` + portOf(to) + `]}`
}

// The url of each connection is asked for anew, with credentials, and never shown. Seen to fail with the first one used again.
func TestURLFrom(t *testing.T) {
	tickets := make(chan string, 10)
	url := accept(t, func(_ *websocket.Conn, r *http.Request) { tickets <- r.URL.Query().Get("ticket") })
	var asked atomic.Int32
	from := desk(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer hush" || string(body) != `{"app":"drm","key":"k1"}` || r.Method != http.MethodPost {
			t.Errorf("asked by %s with %v and %s", r.Method, r.Header, body)
		}
		fmt.Fprintf(w, `{"ok": true, "url": "%s&ticket=%d"}`, url, asked.Add(1))
	})
	h := launch(t, setup{fields: `{"url_from": {"url": "` + from + `", "auth": {"type": "bearer", "token": "hush"},
		"body": {"app": "drm", "key": "${secret:key}"}, "extract": "body.url"}, "secrets": {"key": "k1"},
		"reconnect": {"initial": "100ms"}, "network": {"allow_http": true, "ports": [` + portOf(from) + `, ` + portOf(url) + `]}}`})
	for i := range 3 {
		if got := receive(t, tickets, "not connected"); got != fmt.Sprint(i+1) {
			t.Errorf("connection %d has ticket %s", i+1, got)
		}
	}
	if c := h.until(resources.StateBackingOff); strings.Contains(c.Err.Error(), "ticket") {
		t.Errorf("the url is shown: %v", c.Err)
	}
}

func portOf(url string) string {
	url = url[strings.Index(url, "://")+3:]
	host, _, _ := strings.Cut(url, "/")
	return host[strings.LastIndex(host, ":")+1:]
}

// Whatever comes in place of a url is told, and paced as a refused connection is. Seen to fail with the status not looked at, and with what
// was found not checked.
func TestURLFromAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status              int
		answer, state, says string
	}{
		"unauthorized": {401, `{"url": "ws://127.0.0.1:1/"}`, resources.StateAuthFailed, "ask url_from: the server answered 401"},
		"throttled":    {429, ``, resources.StateBackingOff, "429"},
		"an error":     {200, `{"ok": false, "error": "invalid"}`, resources.StateBackingOff, "extract finds no text"},
		"no JSON":      {200, `<html>`, resources.StateBackingOff, "ask url_from: extract: "},
		"no websocket": {200, `{"url": "https://x.example/secret"}`, resources.StateBackingOff, `has the scheme "https"`},
		"large":        {200, strings.Repeat("x", maxURLAnswer+1), resources.StateBackingOff, "more than 65536 bytes"},
		"forbidden":    {200, `{"url": "ws://10.0.0.1:7/"}`, resources.StateBackingOff, "network.ports"},
	} {
		t.Run(name, func(t *testing.T) {
			from := desk(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.answer)
			})
			h := launch(t, setup{fields: `{"url_from": {"url": "` + from + `", "extract": "body.url"}, ` + openNetwork(from) + `}`})
			c := h.until(test.state)
			if c.Err == nil || !strings.Contains(c.Err.Error(), test.says) || strings.Contains(c.Err.Error(), "secret") {
				t.Errorf("error is %v, want %s", c.Err, test.says)
			}
		})
	}
}

// A secret that is changed while connected counts from the next connection on. Seen to fail with the header kept.
func TestRotatedSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	got := make(chan string, 10)
	next := make(chan struct{})
	url := accept(t, func(_ *websocket.Conn, r *http.Request) {
		got <- r.Header.Get("Authorization")
		<-next
	})
	start(t, url, `, "reconnect": {"initial": "100ms"}, "auth": {"type": "bearer", "token": {"from_file": "`+file+`"}}`)
	for _, want := range []string{"Bearer old", "Bearer new"} {
		if authorization := receive(t, got, "not connected"); authorization != want {
			t.Errorf("connected with %s, want %s", authorization, want)
		}
		write("new")
		next <- struct{}{}
	}
	close(next)
}

// A token is asked for once and used again, until the server refuses it: then another is asked for. Seen to fail without refused, where the
// same token is offered for ever.
func TestTokenRefresh(t *testing.T) {
	var issued atomic.Int32
	tokens := desk(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token": "t%d", "token_type": "Bearer", "expires_in": 3600}`, issued.Add(1))
	})
	got := make(chan string, 10)
	var refused atomic.Bool
	ok := upgraded(t, func(*websocket.Conn, *http.Request) {})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		if token == "Bearer t1" && refused.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		refused.Store(true)
		got <- token
		ok(w, r)
	})
	h := start(t, url, `, "reconnect": {"initial": "100ms", "on_auth_failure": "1s"}, "network": {"allow_http": true, "ports": [`+portOf(tokens)+`, `+portOf(url)+`]},
		"auth": {"type": "oauth2_client_credentials", "token_url": "`+tokens+`", "client_id": "drm", "client_secret": "hush"}`)
	for _, want := range []string{"Bearer t1", "Bearer t2", "Bearer t2"} {
		if token := receive(t, got, "not connected"); token != want {
			t.Errorf("connected with %s, want %s", token, want)
		}
	}
	h.until(resources.StateAuthFailed)
}

// With a proxy nothing is dialled but that, and it is asked for the server by name. Seen to fail with the spec's network left out of the
// dial.
func TestThroughAProxy(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		say(conn, `"through"`)
		_ = readUntilClosed(conn)
	})
	target := strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/feed?token=hush")
	asked := make(chan string, 10)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		from := bufio.NewReader(client)
		request, err := http.ReadRequest(from)
		if err != nil {
			t.Error(err)
			return
		}
		asked <- request.Method + " " + request.Host
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		server, err := net.Dial("tcp", target)
		if err != nil {
			t.Error(err)
			return
		}
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = io.Copy(client, server)
			_ = client.Close()
		}()
		_, _ = io.Copy(server, from)
		_ = server.Close()
		<-back
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	h := start(t, "ws://feed.example/x", `, "network": {"proxy": "http://`+listener.Addr().String()+`"}`)
	if got := receive(t, asked, "the proxy was not asked"); got != "CONNECT feed.example:80" {
		t.Errorf("the proxy was asked to %s", got)
	}
	if e := h.event(); e["data"] != "through" {
		t.Errorf("received %v", e)
	}
	h.until(resources.StateConnected)
}

// Where a session is resumed is said by the server, so it gets no further than the spec goes; and what fails there is tried at the usual
// url. Seen to fail without strayed, where it never connects again.
func TestResumeURL(t *testing.T) {
	for name, test := range map[string]struct{ elsewhere, trouble string }{
		"nobody there": {"ws://127.0.0.1:1/", "connection refused"},
		"no websocket": {"https://x.example/", `resume.url: the url that the server gave has the scheme "https"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			dials := make(chan struct{}, 10)
			url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
				dials <- struct{}{}
				say(conn, `{"url":"`+test.elsewhere+`"}`)
				_ = hear(t, conn)
			})
			h := launch(t, setup{
				url: url, book: s.book, claim: s.claim("n1", "", time.Time{}),
				fields: `, "reconnect": {"initial": "100ms"}, "subscribe": ["{}"], "resume": {"capture": {"url": "msg.url"}, "url": "${resume.url}"}`,
			})
			receive(t, dials, "not connected")
			h.troubled(resources.StateBackingOff, "closed")
			h.troubled(resources.StateBackingOff, test.trouble)
			receive(t, dials, "not connected again")
		})
	}
}
