package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// What a server may answer to a handshake, what is reported and counted, and when the next attempt comes. Seen to fail with
// 403 taken out of the switch and with Retry-After ignored.
func TestHandshakeAnswers(t *testing.T) {
	for _, test := range []struct {
		status      int
		header      [2]string
		state, text string
		result      string
		low, high   time.Duration // of the wait
	}{
		{200, [2]string{}, resources.StateBackingOff, "200 OK", resources.ConnectRejected, 0, time.Second},
		{301, [2]string{"Location", "https://u:p@x.example/new?key=1"}, resources.StateBackingOff, "to https://x.example/new;", resources.ConnectRejected, 30 * time.Second, time.Minute},
		{401, [2]string{}, resources.StateAuthFailed, "401", resources.ConnectAuth, 4 * time.Minute, 6 * time.Minute},
		{403, [2]string{}, resources.StateAuthFailed, "403", resources.ConnectAuth, 4 * time.Minute, 6 * time.Minute},
		{404, [2]string{}, resources.StateAuthFailed, "404", resources.ConnectAuth, 4 * time.Minute, 6 * time.Minute},
		{429, [2]string{"Retry-After", "120"}, resources.StateBackingOff, "429", resources.ConnectThrottled, 2 * time.Minute, 121 * time.Second},
		{503, [2]string{"Retry-After", "9999999"}, resources.StateBackingOff, "503", resources.ConnectThrottled, time.Hour, time.Hour + time.Second},
		{503, [2]string{"Retry-After", "soon"}, resources.StateBackingOff, "503", resources.ConnectThrottled, 0, time.Second},
		{500, [2]string{}, resources.StateBackingOff, "500", resources.ConnectRejected, 0, time.Second},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.header[0] != "" {
					w.Header().Set(test.header[0], test.header[1])
				}
				w.WriteHeader(test.status)
			})
			h := start(t, url, `, "reconnect": {"initial": "1s"}`)
			c := h.until(test.state)
			if !strings.Contains(c.Err.Error(), test.text) || strings.Contains(c.Err.Error(), "u:p") || strings.Contains(c.Err.Error(), "key=1") {
				t.Errorf("error is %q, want %q", c.Err, test.text)
			}
			if h.count.of(h.count.connects, test.result) != 1 {
				t.Errorf("counted as %v, want %s", h.count.connects, test.result)
			}
			s := defaults()
			var why *ended
			if !errors.As(c.Err, &why) {
				t.Fatalf("error is %T", c.Err)
			}
			if d := s.delay(why, &resources.Backoff{Initial: time.Second, Max: time.Minute}, 0); d < test.low || d > test.high {
				t.Errorf("waits %s, want %s to %s", d, test.low, test.high)
			}
		})
	}
}

// A 101 that doesn't prove to be a websocket is refused.
func TestWrongAccept(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n")
	})
	h := start(t, url, "")
	h.troubled(resources.StateBackingOff, "Sec-WebSocket-Accept")
}

// A server that speaks none of the subprotocols asked for is refused; one that does is not. Seen to fail without the check.
func TestSubprotocol(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) { _ = readUntilClosed(conn) })
	h := start(t, url, `, "subprotocols": ["v1"]`)
	h.troubled(resources.StateBackingOff, "subprotocols")
	h = start(t, url, `, "subprotocols": ["v1", "v2"]`)
	h.until(resources.StateConnected)
}

// Headers without end are not read into memory for ever. Seen to fail without the bound in link.Read.
func TestEndlessHandshake(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, err = fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\n")
		for err == nil {
			_, err = fmt.Fprint(conn, "X: ", strings.Repeat("y", 1000), "\r\n")
		}
	})
	h := start(t, url, "")
	h.troubled(resources.StateBackingOff, "has no end")
}

// Without the operator's flag, a spec cannot reach this machine, whatever name it uses. Seen to fail with the guard's
// dialer replaced by a plain one.
func TestEgressGuard(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.0.0.1"} {
		var blocked string
		guard := &resources.Guard{Meter: resources.Meter{Blocked: func(reason string) { blocked = reason }}}
		runner := New(Options{Sinks: sink.NewSet(sink.Options{}), Guard: guard})
		claim := cluster.Claim{Spec: []byte(`{"url": "ws://` + host + `:1/"}`)}
		got := make(chan error, 1)
		claim.Report = func(c cluster.Condition) {
			if c.State == resources.StateBackingOff {
				got <- c.Err
			}
		}
		ctx, stop := cancelled(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = runner.Run(ctx, claim)
		}()
		if err := receive(t, got, "not refused"); !resources.IsBlocked(err) || blocked == "" {
			t.Errorf("%s: %v, counted as %q", host, err, blocked)
		}
		stop()
		<-done
	}
}

// A missing secret is an error that names it, and no attempt to connect.
func TestMissingSecret(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("connected without the secret") })
	h := start(t, url, `, "headers": {"Authorization": {"from_env": "NOT_SET_ANYWHERE"}}`)
	h.troubled(resources.StateBackingOff, "NOT_SET_ANYWHERE is not set")
}
