package websocket

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

var noDeadline time.Time

const quickPing = `, "ping": {"interval": "100ms", "timeout": "100ms"}`

// A server that never reads, and so never pongs, is noticed within interval and timeout. Seen to fail without
// the read deadline at the start: the test then waits for ever.
func TestNeverPongs(t *testing.T) {
	done := make(chan struct{})
	url := accept(t, func(*websocket.Conn, *http.Request) { <-done })
	t.Cleanup(func() { close(done) })
	h := start(t, url, quickPing)
	h.until(resources.StateConnected)
	begin := time.Now()
	h.troubled(resources.StateSilent, "ping.timeout")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("noticed after %s", took)
	}
}

// A server that answers pings but sends nothing stays connected for many times the timeout. Seen to fail with
// the deadline moved but once.
func TestPongsKeepItOpen(t *testing.T) {
	pings := make(chan struct{}, 100)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		answer := conn.PingHandler()
		conn.SetPingHandler(func(s string) error {
			pings <- struct{}{}
			return answer(s)
		})
		_ = readUntilClosed(conn)
	})
	h := start(t, url, quickPing)
	for range 10 {
		receive(t, pings, "no ping")
	}
	h.until(resources.StateConnected)
	if len(h.conditions) > 0 {
		t.Errorf("then %v", <-h.conditions)
	}
}

// Pings that are messages are sent as such, and their answers go no further. Seen to fail with the comparison
// to ping.pong left out.
func TestMessagePings(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		for i := 0; ; i++ {
			_, got, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if string(got) != "ping" {
				t.Errorf("got %q", got)
			}
			_ = conn.WriteMessage(websocket.TextMessage, []byte("pong"))
			if i == 4 {
				_ = conn.WriteMessage(websocket.TextMessage, []byte("data"))
			}
		}
	})
	h := start(t, url, `, "ping": {"type": "message", "message": "ping", "pong": "pong", "interval": "100ms", "timeout": "1s"}`)
	if got := h.event()["data"]; got != "data" {
		t.Errorf("got %v", got)
	}
}

// Messages must come within idle_timeout, though pings are answered. Seen to fail with heard moved by pongs.
func TestIdleTimeout(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) { _ = readUntilClosed(conn) })
	h := start(t, url, `, "ping": {"interval": "100ms", "timeout": "10s"}, "idle_timeout": "500ms"`)
	h.troubled(resources.StateSilent, "idle_timeout")
}

// max_lifetime renews the connection at once, with the code for handing over. Seen to fail with paceBackoff,
// and now and then (the answer to our goodbye was taken for the server's wish) with the cause set after the goodbye.
func TestMaxLifetime(t *testing.T) {
	closed := make(chan error, 100)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) { closed <- readUntilClosed(conn) })
	h := start(t, url, `, "max_lifetime": "200ms", "close_on_handover": 4000, "reconnect": {"initial": "1m"}`)
	for range 3 {
		h.until(resources.StateConnected)
		if err := receive(t, closed, "not renewed"); !websocket.IsCloseError(err, 4000) {
			t.Errorf("closed with %v, want 4000", err)
		}
	}
}

// A server that takes the connection and says nothing runs into handshake_timeout.
func TestSilentHandshake(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := start(t, "ws://"+listener.Addr().String(), `, "handshake_timeout": "100ms"`)
	h.troubled(resources.StateBackingOff, "handshake_timeout")
	if n := h.count.of(h.count.connects, resources.ConnectFailed); n < 1 {
		t.Error("the attempt was not counted")
	}
}
