package websocket

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// hear returns the next message, as JSON has it.
func hear(t *testing.T, conn *websocket.Conn) map[string]any {
	var m map[string]any
	_, data, err := conn.ReadMessage()
	if err != nil {
		return nil
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Errorf("heard %q: %v", data, err)
	}
	return m
}

func say(conn *websocket.Conn, texts ...string) {
	for _, text := range texts {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(text))
	}
}

const steps = `, "secrets": {"token": "hush"}, "reconnect": {"initial": "100ms"}, "handshake": [
	{"expect": "msg.type == 'hello'", "timeout": "200ms"},
	{"send": {"type": "auth", "token": "${secret:token}"}},
	{"expect": "msg.type == 'ok'", "fatal": "msg.type == 'invalid'", "timeout": "200ms"}], "subscribe": [{"type": "subscribe"}]`

// The handshake goes by its steps: what they expect is consumed, other messages reach the sink, subscriptions come last, and only then is
// it connected. Seen to fail with expected messages handed on, and with subscribe before the handshake.
func TestHandshakeSteps(t *testing.T) {
	said := make(chan any, 10)
	proceed := make(chan struct{})
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		say(conn, `{"type":"early"}`, `{"type":"hello"}`)
		said <- hear(t, conn)["token"]
		<-proceed
		say(conn, `"no object"`, `{"type":"ok"}`)
		said <- hear(t, conn)["type"]
		say(conn, `{"type":"data"}`)
		_ = readUntilClosed(conn)
	})
	h := start(t, url, steps)
	if got := receive(t, said, "no authentication"); got != "hush" {
		t.Errorf("authenticated with %v", got)
	}
	for len(h.conditions) > 0 {
		if c := <-h.conditions; c.State != resources.StateConnecting {
			t.Errorf("%s during the handshake", c.State)
		}
	}
	close(proceed)
	h.until(resources.StateConnected)
	if got := receive(t, said, "no subscription"); got != "subscribe" {
		t.Errorf("subscribed with %v", got)
	}
	for _, want := range []string{`map[type:early]`, `no object`, `map[type:data]`} {
		if got := fmt.Sprint(h.event()["data"]); got != want {
			t.Errorf("the sink got %s, want %s", got, want)
		}
	}
}

// A server that never answers, or says all in another order than expected, is left after the step's timeout, and called again only after
// the usual pause. Seen to fail without the step's deadline: the handshake then never ends.
func TestHandshakeThatFails(t *testing.T) {
	for name, test := range map[string]struct{ first, trouble string }{
		"never answers": {"", "handshake[0]: nothing that it expects has come within 200ms"},
		"wrong order":   {`{"type":"ok"}`, "handshake[0]: nothing that it expects"},
		"other sort":    {`[1]`, "its expression failed: "},
	} {
		t.Run(name, func(t *testing.T) {
			url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
				if test.first != "" {
					say(conn, test.first)
				}
				_ = readUntilClosed(conn)
			})
			h := start(t, url, steps)
			for i := range 3 {
				c := h.until(resources.StateBackingOff)
				if c.Attempts != i+1 || c.Err == nil {
					t.Errorf("attempt %d counts as %d, with error %v", i+1, c.Attempts, c.Err)
				}
			}
			h.troubled(resources.StateBackingOff, test.trouble)
		})
	}
}

// An answer that the spec calls fatal ends the run for good: there is no hot loop of refused credentials. Seen to fail with paceBackoff.
func TestFatalAnswer(t *testing.T) {
	dials := make(chan struct{}, 100)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		dials <- struct{}{}
		say(conn, `{"type":"hello"}`)
		_ = hear(t, conn)
		say(conn, `{"type":"invalid"}`)
		_ = readUntilClosed(conn)
	})
	h := start(t, url, steps)
	if err := h.ended(); !cluster.IsPermanent(err) {
		t.Errorf("Run returned %v, want a permanent error", err)
	}
	if len(dials) != 1 {
		t.Errorf("%d dials", len(dials))
	}
}

// Messages are answered once they are in the buffer, and obeyed. Seen to fail with the reply before the buffer (a sink that is full then
// gets acknowledged what it never had), and with each action replaced by another.
func TestReplyAndControl(t *testing.T) {
	said := make(chan string, 100)
	closed := make(chan error, 100)
	turn := make(chan string, 100)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		_, first, _ := conn.ReadMessage()
		said <- string(first)
		for {
			say(conn, `{"envelope":"e1"}`)
			_, ack, err := conn.ReadMessage()
			if err != nil {
				return
			}
			said <- string(ack)
			say(conn, <-turn)
			_, again, err := conn.ReadMessage()
			if err != nil {
				closed <- err
				return
			}
			said <- string(again)
		}
	})
	h := start(t, url, `, "subscribe": ["all"], "reconnect": {"initial": "100ms"}, "close_on_handover": 4000,
		"reply": {"when": "msg.envelope != nil", "send": "{\"ack\":\"${msg.envelope}\"}"},
		"control": [{"when": "msg.do == 'reconnect'", "do": "reconnect"}, {"when": "msg.do == 'resubscribe'", "do": "resubscribe"},
			{"when": "msg.do == 'new'", "do": "new_session"}, {"when": "msg.do == 'stop'", "do": "fatal"}]`)
	expect := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if got := receive(t, said, "nothing was said"); got != text {
				t.Errorf("the server heard %q, want %q", got, text)
			}
		}
	}
	expect("all", `{"ack":"e1"}`)
	turn <- `{"do":"resubscribe"}`
	expect("all", `{"ack":"e1"}`)
	turn <- `{"do":"reconnect"}`
	if err := receive(t, closed, "still open"); !websocket.IsCloseError(err, 4000) {
		t.Errorf("reconnecting closed with %v, want 4000", err)
	}
	h.troubled(resources.StateBackingOff, "control[0]")
	expect("all", `{"ack":"e1"}`)
	turn <- `{"do":"new"}`
	if err := receive(t, closed, "still open"); !websocket.IsCloseError(err, 1000) {
		t.Errorf("a new session closed with %v, want 1000", err)
	}
	expect("all", `{"ack":"e1"}`)
	turn <- `{"do":"stop"}`
	if err := h.ended(); !cluster.IsPermanent(err) {
		t.Errorf("Run returned %v, want a permanent error", err)
	}
}

// What the sink has no room for is not answered. Seen to fail with the reply before the buffer.
func TestNoReplyWithoutRoom(t *testing.T) {
	acks := make(chan string, 10)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		say(conn, `{"e":1}`, `{"e":2}`, `{"e":3}`)
		for {
			_, ack, err := conn.ReadMessage()
			if err != nil {
				return
			}
			acks <- string(ack)
		}
	})
	release := make(chan struct{})
	h := startWith(t, url, `, "buffer": {"max_messages": 1}, "reply": {"when": "msg.e > 0", "send": "${msg.e}"}`,
		func([]byte) { <-release }, nil)
	h.until(resources.StateSinkBlocked)
	if got := receive(t, acks, "no reply"); got != "1" || len(acks) > 0 {
		t.Errorf("answered %s and %d more", got, len(acks))
	}
	close(release)
	for _, want := range []string{"2", "3"} {
		if got := receive(t, acks, "no reply"); got != want {
			t.Errorf("answered %s, want %s", got, want)
		}
	}
}

// Messages keep to send_rate, whatever makes them be sent. Seen to fail with say not waiting.
func TestSendRate(t *testing.T) {
	heard := make(chan time.Time, 10)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
			heard <- time.Now()
		}
	})
	start(t, url, `, "send_rate": "10/s", "subscribe": ["a", "b", "c", "d"]`)
	first := receive(t, heard, "nothing")
	for range 2 {
		receive(t, heard, "nothing")
	}
	if took := receive(t, heard, "nothing").Sub(first); took < 250*time.Millisecond {
		t.Errorf("four messages within %s, at 10/s", took)
	}
}

// What goes to the sink is what filter wants, in the form of transform and under the id that id finds; a message on which one of them fails is
// counted. Seen to fail with each of the three left out.
func TestFilterTransformID(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		say(conn, `{"n":1,"id":"a"}`, `{"n":5,"id":7}`, `"other"`, `{"n":6}`, `{"n":9,"id":"b","of":{"x":"t"}}`)
		_ = readUntilClosed(conn)
	})
	h := start(t, url, `, "filter": "msg.n > 4", "transform": "msg.n == 9 ? msg.of.x : {'double': msg.n * 2}", "id": "msg.id"`)
	for _, want := range []string{"7 map[double:10]", "b t"} {
		e := h.event()
		if got := fmt.Sprint(e["id"], " ", e["data"]); got != want {
			t.Errorf("the sink got %s, want %s", got, want)
		}
	}
	if n := h.count.of(h.count.dropped, resources.DropExpression); n != 2 {
		t.Errorf("%d counted as dropped, want the one that is no object and the one without an id", n)
	}
}
