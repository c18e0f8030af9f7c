package websocket

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// A message of a hundred thousand fragments, with pings of 125 bytes between them, is one message, and each ping is answered with what it
// held. Seen to fail with the payload left out of pinged, and with a byte of what is read ahead lost.
func TestManyFragments(t *testing.T) {
	const fragments, every = 100_000, 10_000
	pongs := make(chan string, fragments/every)
	payload := fmt.Sprintf("%0125d", 7)
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		conn.SetPongHandler(func(got string) error { pongs <- got; return nil })
		raw := conn.NetConn()
		var frames []byte
		for i := range fragments {
			first, last := byte(0x00), byte(0x00)
			if i == 0 {
				first = 0x01 // text
			}
			if i == fragments-1 {
				last = 0x80
			}
			frames = append(frames, first|last, 1, 'x')
			if i%every == 0 && i < fragments-1 {
				frames = append(append(frames, 0x89, 125), payload...)
			}
		}
		_, _ = raw.Write(frames)
		_ = readUntilClosed(conn)
	})
	h := start(t, url, "")
	if data, _ := h.event()["data"].(string); len(data) != fragments {
		t.Errorf("received %d bytes, want %d", len(data), fragments)
	}
	for range fragments / every {
		if got := receive(t, pongs, "a ping was not answered"); got != payload {
			t.Fatalf("answered with %q", got)
		}
	}
}

// A thousand connections that were opened together are not renewed together: the renewals are spread over a tenth of max_lifetime. Seen to
// fail with the jitter of renew left out.
func TestRenewalsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := defaults()
		s.Ping.Type, s.MaxLifetime = pingNone, cluster.Duration(time.Hour)
		began := time.Now()
		renewed := make(chan time.Duration, 1000)
		for range 1000 {
			session := &session{hold: &hold{spec: &s}}
			alarm := setAlarm(session.lifetime(), func() time.Duration { renewed <- time.Since(began); return 0 })
			defer alarm.stop()
		}
		var at []time.Duration
		for range 1000 {
			at = append(at, <-renewed)
		}
		slices.Sort(at)
		if at[0] < 54*time.Minute || at[999] > time.Hour || at[999]-at[0] < 5*time.Minute {
			t.Errorf("renewed between %s and %s", at[0], at[999])
		}
		for i := range at[100:] {
			if at[i+100]-at[i] < 10*time.Second {
				t.Fatalf("a hundred renewals within %s", at[i+100]-at[i])
			}
		}
	})
}

// Reconnecting leaves nothing behind: neither descriptors nor, as TestMain sees, goroutines. Seen to fail with close doing nothing.
func TestReconnectsLeaveNothing(t *testing.T) {
	connected := make(chan struct{}, 100)
	url := accept(t, func(*websocket.Conn, *http.Request) { connected <- struct{}{} })
	h := start(t, url, `, "reconnect": {"initial": "100ms", "max": "100ms"}, "emit_gaps": false`)
	before := descriptors(t)
	for range 20 {
		receive(t, connected, "not connected again")
	}
	h.until(resources.StateBackingOff)
	if after := descriptors(t); after > before+10 {
		t.Errorf("%d descriptors after twenty connections, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list descriptors in /proc")
	}
	return len(open)
}
