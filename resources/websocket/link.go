package websocket

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
)

const (
	farewellTimeout = 50 * time.Millisecond // for the close frame; then the connection is closed all the same
	maxHandshake    = 256 << 10             // bytes of an answer to the handshake, certificates included
)

var (
	errFenced       = errors.New("the right to hold the resource has ended")
	errHandshakeBig = errors.New("the answer to the handshake has no end")
)

// link is the TCP connection under a websocket, under TLS too. It ends with the context of the run, and lets
// nothing out once that is over: every byte passes Write, the library's own pongs and close frames included,
// and Write asks ctx.Err each time. It matters after a pause (SIGSTOP, a frozen machine): timers are due and frames
// wait to be answered, while another node may hold the resource by now.
type link struct {
	net.Conn
	ctx  context.Context
	code int // of the close frame when the resource moves

	parting atomic.Bool // the close frame may still go out
	unbind  func() bool
	ending  sync.WaitGroup

	mu   sync.Mutex
	open *websocket.Conn // nil during the handshake

	read int // bytes read during the handshake; owned by the reading goroutine
	done bool
}

// bind makes a link that ends with ctx. Call release when it is no longer used.
func bind(ctx context.Context, conn net.Conn, code int) *link {
	l := &link{Conn: conn, ctx: ctx, code: code}
	l.ending.Add(1)
	l.unbind = context.AfterFunc(ctx, l.part)
	return l
}

// release closes the connection and returns when nothing of it runs any more.
func (l *link) release() {
	if l.unbind() {
		l.ending.Done()
	}
	l.ending.Wait()
	_ = l.Close() // it may have been closed before
}

// opened tells the link that the handshake is over.
func (l *link) opened(conn *websocket.Conn) {
	l.done = true
	l.mu.Lock()
	l.open = conn
	l.mu.Unlock()
}

// part ends the link because ctx has ended: with a close frame if that may still be sent, and without waiting
// for the other side's.
func (l *link) part() {
	defer l.ending.Done()
	defer l.Close()
	l.mu.Lock()
	conn := l.open
	l.mu.Unlock()
	code, ok := l.farewell()
	if !ok {
		if tcp, isTCP := l.Conn.(*net.TCPConn); isTCP {
			_ = tcp.SetLinger(0) // what the kernel hasn't sent yet must not go out later either
		}
		return
	}
	if conn != nil {
		l.parting.Store(true)
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(farewellTimeout))
	}
}

// farewell returns the code to close with. There is none when the resource may be another's by now.
func (l *link) farewell() (code int, ok bool) {
	switch cause := context.Cause(l.ctx); {
	case errors.Is(cause, cluster.ErrTrustEnded), errors.Is(cause, cluster.ErrClaimLost):
		return 0, false
	case errors.Is(cause, cluster.ErrMoving), errors.Is(cause, cluster.ErrLeaving):
		return l.code, true
	}
	return websocket.CloseGoingAway, true
}

// Write implements net.Conn.
func (l *link) Write(b []byte) (int, error) {
	if l.ctx.Err() != nil && !l.parting.Load() {
		return 0, errFenced
	}
	return l.Conn.Write(b)
}

// Read implements net.Conn. It bounds the handshake, whose headers the library reads without a limit.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if !l.done {
		if l.read += n; l.read > maxHandshake {
			return 0, errHandshakeBig
		}
	}
	return n, err
}
