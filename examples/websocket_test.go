package examples_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// until returns the first event that is as it should be, and the node that received it.
func (w *world) until(what string, so func(map[string]any) bool) (event map[string]any, node string) {
	w.t.Helper()
	for range 1000 {
		if event, node = w.next(); so(event) {
			return event, node
		}
	}
	w.t.Fatalf("no %s among a thousand events", what)
	return nil, ""
}

func isGap(event map[string]any) bool { return event["type"] == "drm.websocket.gap" }

// other is the other node of the two.
func other(node string) string { return map[string]string{"a": "b", "b": "a"}[node] }

// A feed that pings with a payload, limits connections, and cuts each of them after a day. It is held on, at the other node too; the cut and
// the move are told as gaps. Seen to fail with another control in the file.
func TestBinance(t *testing.T) {
	var dials atomic.Int32
	pongs := make(chan string, 1000)
	s := serve(t, func(*http.Request) int {
		if dials.Add(1) == 2 {
			return http.StatusTooManyRequests // the limit of connections
		}
		return 0
	}, func(s *service, l *line) {
		l.conn.SetPongHandler(func(payload string) error { pongs <- payload; return nil })
		s.heard <- l.hear()
		l.say(`{"result":null,"id":1}`)
		_ = l.conn.WriteControl(9, []byte("1764000000000"), time.Now().Add(time.Second))
		s.stream(l, func(n int) {
			if n == 10 && dials.Load() == 1 {
				l.say(`{"e":"serverShutdown","E":1764000000000}`)
				return
			}
			l.say(`{"e":"trade","s":"BTCUSDT","t":%d,"p":"1.0"}`, n)
		})
	})
	w := run(t, "websocket/binance.json", "wss://stream.binance.com:9443", s.url, `"300/5m"`, `"6000/5m"`)
	event, holder := w.next()
	if event["id"] != "BTCUSDT-0" {
		t.Errorf("the first event is %v", event)
	}
	if m := <-s.heard; fmt.Sprint(m["method"], m["params"]) != "SUBSCRIBE[btcusdt@trade]" {
		t.Errorf("subscribed with %v", m)
	}
	if got := receive(t, pongs, "no pong"); got != "1764000000000" {
		t.Errorf("answered a ping with %q", got)
	}
	gap, _ := w.until("gap", isGap) // after the shutdown that was announced, and a refusal for too many connections
	if !strings.Contains(fmt.Sprint(gap["data"]), "control[0]") {
		t.Errorf("told %v", gap)
	}
	s.cuts <- 1001 // the day is over
	w.until("gap", isGap)
	w.move(holder)
	_, holder = w.until("event of the other node", func(e map[string]any) bool { return e["drmnode"] == other(holder) && !isGap(e) })
	t.Logf("held by %s after %d dials", holder, dials.Load())
	s.alone()
}

// discord is a gateway: sessions, each with its events, which can be resumed.
type discord struct {
	mu       sync.Mutex
	sessions int
	seq      int // of the only session
}

func (d *discord) talk(s *service, l *line) {
	l.say(`{"op":10,"d":{"heartbeat_interval":41250}}`)
	ask := l.hear()
	if ask == nil {
		return
	}
	s.heard <- ask
	data, _ := ask["d"].(map[string]any)
	from := 0
	d.mu.Lock()
	session := fmt.Sprint("session-", d.sessions)
	switch {
	case data["token"] != secret:
		d.mu.Unlock()
		l.cut(4004)
		return
	case ask["op"] == 6.0 && data["session_id"] == session:
		from = int(data["seq"].(float64))
	case ask["op"] == 6.0:
		d.mu.Unlock()
		l.say(`{"op":9,"d":false}`)
		<-l.gone
		return
	default:
		d.sessions++
		session, d.seq = fmt.Sprint("session-", d.sessions), 1
		l.say(`{"op":0,"t":"READY","s":1,"d":{"session_id":%q,"resume_gateway_url":%q}}`, session, s.url)
		from = 1
	}
	d.mu.Unlock()
	s.stream(l, func(int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for d.seq++; from < d.seq; from++ {
			l.say(`{"op":0,"t":"MESSAGE_CREATE","s":%d,"d":{"content":"hi"}}`, from+1)
		}
	})
}

// A gateway whose sessions are resumed, by the same node and by the next one: not an event is missed, and no gap is told. A session that is void
// begins anew, which is a gap. Seen to fail with close_on_handover 1000 in the file (the service then ends the session), with another
// op in resume.send, and with another control for op 9.
func TestDiscord(t *testing.T) {
	d := &discord{}
	s := serve(t, none, func(s *service, l *line) { d.talk(s, l) })
	w := run(t, "websocket/discord.json", "wss://gateway.discord.gg", s.url, `"1/5s"`, `"10/s"`, `"initial": "5s"`, `"initial": "100ms"`)
	if ask := receive(t, s.heard, "nothing asked"); ask["op"] != 2.0 {
		t.Errorf("asked for %v", ask)
	}
	last := 0.0
	follow := func(to float64) (node string) {
		t.Helper()
		for last < to {
			var event map[string]any
			event, node = w.next()
			data, _ := event["data"].(map[string]any)
			seq, _ := data["seq"].(float64)
			if isGap(event) || seq > last+1 {
				t.Fatalf("after event %v came %v", last, event)
			}
			last = max(last, seq) // what comes twice is the same
		}
		return node
	}
	follow(20)
	s.cuts <- 4000
	if ask := receive(t, s.heard, "nothing asked"); ask["op"] != 6.0 {
		t.Errorf("after a cut asked for %v", ask)
	}
	holder := follow(last + 20)
	for len(s.ends) > 0 {
		<-s.ends
	}
	w.move(holder)
	if code := receive(t, s.ends, "still open"); code != 4000 {
		t.Errorf("moved with close code %d, which ends the session", code)
	}
	if ask := receive(t, s.heard, "nothing asked"); ask["op"] != 6.0 {
		t.Errorf("after a move asked for %v", ask)
	}
	if now := follow(last + 20); now == holder {
		t.Errorf("still held by %s", now)
	}
	d.mu.Lock()
	d.sessions++ // nobody knows the session any more
	d.mu.Unlock()
	s.cuts <- 4000
	w.until("gap", isGap)
	w.until("new session", func(e map[string]any) bool { return strings.Contains(fmt.Sprint(e["data"]), "READY") })
	s.alone()
}

// A service that gives out a url for each connection, wants each envelope acknowledged, and warns before it disconnects. Seen to fail with the reply taken
// out of the file, and with its control.
func TestSlack(t *testing.T) {
	var tickets, acked atomic.Int32
	s := serve(t, func(r *http.Request) int {
		if r.URL.Query().Get("ticket") != fmt.Sprint(tickets.Load()) {
			return http.StatusForbidden // each is for one connection
		}
		return 0
	}, func(s *service, l *line) {
		l.say(`{"type":"hello","num_connections":1}`)
		tick := time.NewTicker(10 * time.Millisecond) // as a service says something now and then
		defer tick.Stop()
		for n := 0; ; n++ {
			id := fmt.Sprintf("%d-%d", tickets.Load(), n)
			l.say(`{"envelope_id":%q,"type":"events_api","payload":{"event":{"text":"hi"}}}`, id)
			m := l.hear()
			if m == nil {
				return
			}
			if m["envelope_id"] != id || len(m) != 1 {
				t.Errorf("%s was acknowledged by %v", id, m)
			}
			acked.Add(1)
			if n == 5 && tickets.Load() == 1 {
				l.say(`{"type":"disconnect","reason":"warning"}`)
			}
			<-tick.C
		}
	})
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+secret {
			_, _ = io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		fmt.Fprintf(w, `{"ok":true,"url":"%s/link/?ticket=%d"}`, s.url, tickets.Add(1))
	}))
	t.Cleanup(api.Close)
	port := func(url string) string { return url[strings.LastIndex(url, ":")+1:] }
	w := run(t, "websocket/slack.json", "https://slack.com", api.URL,
		`"handshake"`, fmt.Sprintf(`"network": {"allow_http": true, "ports": [%s, %s]}, "handshake"`, port(api.URL), port(s.url)))
	event, holder := w.next()
	if event["id"] != "1-0" || fmt.Sprint(event["data"]) != "map[event:map[text:hi]]" {
		t.Errorf("received %v", event)
	}
	w.until("event on another connection", func(e map[string]any) bool { return strings.HasPrefix(fmt.Sprint(e["id"]), "2-") })
	w.move(holder)
	w.until("event on the other node", func(e map[string]any) bool {
		return e["drmnode"] == other(holder) && strings.HasPrefix(fmt.Sprint(e["id"]), "3-")
	})
	if acked.Load() < 7 {
		t.Errorf("%d envelopes were acknowledged", acked.Load())
	}
	s.alone()
}

// A hub that asks who one is before it says anything. Seen to fail with the step that answers taken out of the file.
func TestHomeAssistant(t *testing.T) {
	s := serve(t, none, func(s *service, l *line) {
		l.say(`{"type":"auth_required","ha_version":"2026.11"}`)
		if m := l.hear(); m["type"] != "auth" || m["access_token"] != secret {
			l.say(`{"type":"auth_invalid","message":"Invalid access token"}`)
			return
		}
		l.say(`{"type":"auth_ok"}`)
		s.heard <- l.hear()
		l.say(`{"id":1,"type":"result","success":true}`)
		s.stream(l, func(n int) { l.say(`{"id":1,"type":"event","event":{"data":{"entity_id":"light.%d"}}}`, n) })
	})
	w := run(t, "websocket/homeassistant.json", "ws://homeassistant.local:8123", s.url)
	event, holder := w.next()
	if fmt.Sprint(event["data"]) != "map[entity_id:light.0]" {
		t.Errorf("received %v", event)
	}
	if m := receive(t, s.heard, "no subscription"); m["type"] != "subscribe_events" {
		t.Errorf("subscribed with %v", m)
	}
	w.move(holder)
	gap, _ := w.until("gap", isGap)
	if told, _ := gap["data"].(map[string]any); told["from"] == nil || !strings.Contains(fmt.Sprint(told["reason"]), "moved here") {
		t.Errorf("told %v", gap)
	}
	if event, node := w.next(); node != other(holder) || fmt.Sprint(event["data"]) != "map[entity_id:light.0]" {
		t.Errorf("then %s received %v", node, event)
	}
	s.alone()
}
