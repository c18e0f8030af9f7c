package websocket

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// gate is a standard output that takes nothing until it is opened.
func gate(h **held) (stdout write, open func()) {
	closed := make(chan struct{})
	return func(b []byte) {
		<-closed
		(*h).line(b)
	}, sync.OnceFunc(func() { close(closed) })
}

// flood sends a message and, when told so, n-1 more and a ping, and says when that is answered.
func flood(t *testing.T, n int, more <-chan struct{}, ponged chan<- struct{}) string {
	t.Helper()
	return accept(t, func(conn *websocket.Conn, _ *http.Request) {
		conn.SetPongHandler(func(string) error {
			ponged <- struct{}{}
			return nil
		})
		for i := range n {
			if i == 1 {
				<-more
			}
			_ = conn.WriteMessage(websocket.TextMessage, fmt.Append(nil, "m", i))
		}
		_ = conn.WriteControl(websocket.PingMessage, nil, noDeadline)
		_ = readUntilClosed(conn)
	})
}

func now() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// While the sink takes nothing, pings are answered and messages wait; then they arrive in order. Seen to fail with the
// delivery moved into the reading goroutine.
func TestSlowSinkDoesNotStopPongs(t *testing.T) {
	ponged := make(chan struct{}, 1)
	url := flood(t, 100, now(), ponged)
	var h *held
	stdout, open := gate(&h)
	defer open()
	h = startWith(t, url, "", stdout, nil)
	receive(t, ponged, "the ping was not answered while the sink was slow")
	open()
	for i := range 100 {
		if got := h.event()["data"]; got != fmt.Sprint("m", i) {
			t.Fatalf("event %d is %v", i, got)
		}
	}
}

// What happens to ten messages when the buffer has room for three and the sink takes none, which has the first in hand.
func TestFullBuffer(t *testing.T) {
	for policy, test := range map[string]struct {
		state string
		drops int
		then  []string
	}{
		"block":       {resources.StateSinkBlocked, 0, []string{"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"}},
		"drop_newest": {"", 7, []string{"m0", "m1", "m2"}},
		"drop_oldest": {"", 7, []string{"m0", "m8", "m9"}},
		"disconnect":  {resources.StateBackingOff, 1, []string{"m0", "m1", "m2"}},
	} {
		t.Run(policy, func(t *testing.T) {
			ponged := make(chan struct{}, 10)
			taken := make(chan struct{})
			first := sync.OnceFunc(func() { close(taken) })
			url := flood(t, 10, taken, ponged)
			var h *held
			stdout, open := gate(&h)
			defer open()
			fields := `, "buffer": {"max_messages": 3, "on_full": "` + policy + `"}, "reconnect": {"initial": "1m"}`
			h = startWith(t, url, fields, func(b []byte) {
				first()
				stdout(b)
			}, nil)
			if test.state != "" {
				h.until(test.state)
			} else {
				receive(t, ponged, "the ping was not answered")
			}
			if n := h.count.of(h.count.dropped, resources.DropBufferFull); n != test.drops {
				t.Errorf("%d dropped, want %d", n, test.drops)
			}
			open()
			if test.state == resources.StateSinkBlocked {
				h.until(resources.StateConnected)
			}
			for _, want := range test.then {
				if got := h.event()["data"]; got != want {
					t.Errorf("event is %v, want %s", got, want)
				}
			}
		})
	}
}

// A run ends at once though its sink hangs for good, and what was buffered is counted as dropped. Seen to fail (Run never
// returned) with the write to standard output made in the sender's own goroutine.
func TestEndWhileSinkHangs(t *testing.T) {
	ponged := make(chan struct{}, 1)
	url := flood(t, 50, now(), ponged)
	var h *held
	stdout, open := gate(&h)
	defer open()
	h = startWith(t, url, "", stdout, nil)
	receive(t, ponged, "the ping was not answered")
	begin := time.Now()
	h.stop(cluster.ErrTrustEnded)
	_ = h.ended()
	if took := time.Since(begin); took > 100*time.Millisecond {
		t.Errorf("Run took %s to return", took)
	}
	if n := h.count.of(h.count.dropped, resources.DropStopped); n != 50 {
		t.Errorf("%d counted as dropped, want 50", n)
	}
}
