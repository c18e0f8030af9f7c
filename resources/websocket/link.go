package websocket

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
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

	// Owned by the reading goroutine:
	read  int          // bytes read during the handshake
	done  bool         // it is over
	await func() error // called before each read that may wait; nil during the handshake
	more  bool         // the last read has found as much as it could take
	chunk *[readAhead]byte
	ahead []byte // of chunk: what was read and not yet asked for
}

// readAhead is how much is read at once from a connection on which more comes than its read buffer takes.
const readAhead = 16 << 10

var chunks = sync.Pool{New: func() any { return new([readAhead]byte) }}

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
	if !l.done {
		n, err := l.Conn.Read(b)
		if l.read += n; l.read > maxHandshake {
			return 0, errHandshakeBig
		}
		return n, err
	}
	if len(l.ahead) == 0 && l.more {
		l.gather()
	}
	if len(l.ahead) > 0 {
		n := copy(b, l.ahead)
		if l.ahead = l.ahead[n:]; len(l.ahead) == 0 {
			chunks.Put(l.chunk)
			l.chunk = nil
		}
		return n, nil
	}
	if l.await != nil {
		if err := l.await(); err != nil {
			return 0, err
		}
	}
	n, err := l.Conn.Read(b)
	l.more = n == len(b)
	return n, err
}

// gather reads what is there without waiting for anything: the memory for it is taken only from when it has come until it is used up, while
// thousands of connections wait with none. What goes wrong is found again by the read that follows.
func (l *link) gather() {
	l.more = false
	tcp, isTCP := l.Conn.(syscall.Conn)
	if !isTCP {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	l.chunk = chunks.Get().(*[readAhead]byte)
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		n, _ = syscall.Read(int(fd), l.chunk[:])
		return true
	})
	if err != nil || n <= 0 {
		chunks.Put(l.chunk)
		l.chunk = nil
		return
	}
	l.ahead, l.more = l.chunk[:n], n == readAhead
}
