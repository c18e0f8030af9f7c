package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// Why a run ends decides how its connection is closed, and Run returns within 100 ms. Seen to fail with farewell always
// allowed, and with the code of the spec used for every cause.
func TestCausesOfEnd(t *testing.T) {
	for _, test := range []struct {
		cause error
		code  int // 0: no close frame
	}{
		{cluster.ErrMoving, 4000},
		{cluster.ErrLeaving, 4000},
		{cluster.ErrChanged, 1001},
		{cluster.ErrUnwanted, 1001},
		{cluster.ErrTrustEnded, 0},
		{cluster.ErrClaimLost, 0},
	} {
		t.Run(test.cause.Error(), func(t *testing.T) {
			closed := make(chan error, 1)
			url := accept(t, func(conn *websocket.Conn, _ *http.Request) { closed <- readUntilClosed(conn) })
			h := start(t, url, `, "close_on_handover": 4000`)
			h.until(resources.StateConnected)
			begin := time.Now()
			h.stop(test.cause)
			if err := h.ended(); !errors.Is(err, test.cause) {
				t.Errorf("Run returned %v", err)
			}
			if took := time.Since(begin); took > 100*time.Millisecond {
				t.Errorf("Run took %s to return", took)
			}
			err := receive(t, closed, "the connection stayed open")
			if test.code == 0 && websocket.IsCloseError(err, allCodes...) || test.code != 0 && !websocket.IsCloseError(err, test.code) {
				t.Errorf("the server saw %v, want code %d", err, test.code)
			}
		})
	}
}

var allCodes = []int{1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 4000}

// A run ends as promptly during the handshake and while it waits to connect again.
func TestEndWhileNotConnected(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, "ws://"+listener.Addr().String(), "")
	conn, err := listener.Accept() // it is in the handshake now
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	h.stop(cluster.ErrMoving)
	_ = h.ended()
	_ = conn.Close()
	_ = listener.Close()
	h = start(t, "ws://"+listener.Addr().String(), `, "reconnect": {"initial": "1m"}`)
	h.until(resources.StateBackingOff)
	h.stop(cluster.ErrMoving)
	_ = h.ended()
	if took := time.Since(begin); took > 500*time.Millisecond {
		t.Errorf("both took %s", took)
	}
}

// clocked is a context that is over by the clock before anybody is told, as in a process that wakes up from a pause.
type clocked struct {
	context.Context
	over atomic.Bool
}

func (c *clocked) Err() error {
	if c.over.Load() {
		return cluster.ErrTrustEnded
	}
	return c.Context.Err()
}

// tap counts the bytes that pass from the client to the server.
func tap(t *testing.T, to string) (address string, bytes *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bytes = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = io.Copy(client, server)
		}()
		buffer := make([]byte, 1024)
		for err == nil {
			var n int
			n, err = client.Read(buffer)
			bytes.Add(int64(n))
			_, _ = server.Write(buffer[:n])
		}
		_ = server.Close()
		<-back
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String(), bytes
}

// Once ctx.Err says that the right has ended, nothing leaves: no pong, no ping, no close frame, and no event to the sink,
// though nobody has cancelled anything yet. Seen to fail (the pong got out) with the check in link.Write taken
// out, and (the event got out) with those in sink.persist and in the writer of standard output taken out.
func TestNothingIsSentOnceFenced(t *testing.T) {
	wake := make(chan struct{})
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		<-wake
		_ = conn.WriteMessage(websocket.TextMessage, []byte("late"))
		_ = conn.WriteControl(websocket.PingMessage, []byte("late"), noDeadline)
		_ = conn.WriteControl(websocket.CloseMessage, nil, noDeadline)
		_ = readUntilClosed(conn)
	})
	var host string
	_, _ = fmt.Sscanf(url, "ws://%s", &host)
	address, bytes := tap(t, host[:len(host)-len("/feed?token=hush")])
	ctx := &clocked{}
	h := startWith(t, "ws://"+address, quickPing, nil, func(own context.Context) context.Context {
		ctx.Context = own
		return ctx
	})
	h.until(resources.StateConnected)
	ctx.over.Store(true)
	before := bytes.Load()
	close(wake)
	if err := h.ended(); err == nil {
		t.Error("Run returned nil")
	}
	if sent := bytes.Load() - before; sent != 0 {
		t.Errorf("%d bytes were sent after the end", sent)
	}
	if len(h.lines) != 0 {
		t.Errorf("the sink got %v", <-h.lines)
	}
	if n := h.count.of(h.count.dropped, resources.DropStopped); n != 1 {
		t.Errorf("%d counted as dropped, want the one that came late", n)
	}
}
