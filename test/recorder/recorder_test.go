//go:build linux

package recorder_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/test/recorder"
)

func start(t *testing.T) *recorder.Server {
	t.Helper()
	s, err := recorder.Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *recorder.Server, resource string, epoch int64) (*websocket.Conn, error) {
	t.Helper()
	header := http.Header{}
	if epoch != 0 {
		header.Set("drm-fence", strconv.FormatInt(epoch, 10))
	}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), s.URL(resource), header)
	if response != nil {
		response.Body.Close()
	}
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func mustDial(t *testing.T, s *recorder.Server, resource string, epoch int64) *websocket.Conn {
	t.Helper()
	conn, err := dial(t, s, resource, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSecondConnectionIsAnOverlap(t *testing.T) {
	s := start(t)
	mustDial(t, s, "a", 1)
	mustDial(t, s, "b", 1)
	mustDial(t, s, "a", 2)
	r := s.Record()
	if len(r.Overlaps) != 1 || r.Overlaps[0].Older.Epoch != 1 || r.Overlaps[0].Newer.Epoch != 2 || r.Held != 2 || r.Open != 3 {
		t.Fatalf("%+v; want one overlap, of epochs 1 and 2", r)
	}
}

// A clean hand-off must never look like an overlap, however late the recorder's own goroutines are.
//
// Seen to fail: with enter asking its own books (other.Open) instead of the kernel.
func TestHandOffIsNoOverlap(t *testing.T) {
	s := start(t)
	for epoch := int64(1); epoch <= 200; epoch++ {
		if err := mustDial(t, s, "a", epoch).Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := s.Record()
	if len(r.Overlaps) != 0 || len(r.Stale) != 0 || len(r.Repeated) != 0 || len(r.Conns) != 200 {
		t.Fatalf("%d overlaps, %d stale, %d repeated in %d connections; want 0 in 200",
			len(r.Overlaps), len(r.Stale), len(r.Repeated), len(r.Conns))
	}
	if gaps := r.Gaps(time.Time{}); len(gaps) != 199 {
		t.Fatalf("%d gaps; want 199", len(gaps))
	}
}

func TestEpochsMustGrow(t *testing.T) {
	s := start(t)
	mustDial(t, s, "a", 5).Close()
	if _, err := dial(t, s, "a", 4); err == nil {
		t.Error("a lower epoch was let in")
	}
	if _, err := dial(t, s, "a", 0); err == nil {
		t.Error("a dial without an epoch was let in")
	}
	mustDial(t, s, "a", 5)
	if r := s.Record(); len(r.Stale) != 1 || len(r.Repeated) != 1 || r.Unfenced != 1 {
		t.Fatalf("%+v; want one stale, one repeated, one unfenced", r)
	}
}

func TestReconnectAfterHangUpIsNoRepetition(t *testing.T) {
	s := start(t)
	conn := mustDial(t, s, "a", 5)
	s.HangUp(func(c recorder.Conn) bool { return c.Resource == "a" })
	if _, _, err := conn.NextReader(); err == nil {
		t.Fatal("the connection goes on")
	}
	mustDial(t, s, "a", 5)
	if r := s.Record(); len(r.Repeated) != 0 || len(r.Overlaps) != 0 {
		t.Fatalf("%+v; want neither repetition nor overlap", r)
	}
}

func TestCountsBytesAndWaits(t *testing.T) {
	s := start(t)
	conn := mustDial(t, s, "a", 1)
	if r := s.Record().Conns[0].Received; r != 0 {
		t.Fatalf("received %d bytes before any were sent", r)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	remote := recorder.Remote{Address: s.Address()}
	if err := remote.Wait(ctx, 0, 1); err != nil {
		t.Fatal(err)
	}
	r, err := remote.Record(ctx)
	if err != nil || r.Conns[0].Received < 5 || r.Conns[0].Open() {
		t.Fatalf("%+v, %v; want a closed connection on which at least 5 bytes came", r, err)
	}
}
