package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// rough is a receiver that does on each connection what a test says, and counts what it was sent.
type rough struct {
	url   string
	conns atomic.Int64
	posts atomic.Int64 // whole requests, counted by readPost

	closing <-chan struct{} // closed when the test is over
}

func roughly(t *testing.T, serve func(r *rough, conn net.Conn)) *rough {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &rough{url: "http://" + listener.Addr().String(), closing: ctx.Done()}
	var joined sync.WaitGroup
	joined.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			joined.Go(func() {
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				defer conn.Close()
				serve(r, conn)
			})
		}
	})
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		joined.Wait()
	})
	return r
}

// readPost reads one whole request.
func (r *rough) readPost(from *bufio.Reader) error {
	req, err := http.ReadRequest(from)
	if err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, req.Body); err == nil {
		r.posts.Add(1)
	}
	return err
}

// answering reads one request on each connection and writes the head of an answer, and then more again and again for as
// long as anybody reads it.
func answering(head, more string) func(*rough, net.Conn) {
	return func(r *rough, conn net.Conn) {
		if err := r.readPost(bufio.NewReader(conn)); err != nil {
			return
		}
		_, err := io.WriteString(conn, head)
		for err == nil && more != "" {
			_, err = io.WriteString(conn, more)
		}
		untilClosed(conn)
	}
}

// untilClosed reads until the other side closes the connection.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// reset closes a connection without leave.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
