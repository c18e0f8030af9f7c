package websocket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// Buffers of a connection: the read buffer is kept for as long as it is open, so it is small (longer frames are read past
// it); the write buffer only while a message is written.
const (
	readBuffer  = 256
	writeBuffer = 1 << 10
)

// connect makes one connection, when it is this one's turn, and reads it until it is over. It returns why, and how long it worked.
func (h *hold) connect() (*ended, time.Duration) {
	leave, err := h.budgets.Enter(h.ctx, h.group(), h.spec.ConnectLimit, func() { h.showTrying(resources.StateWaiting) })
	if err != nil {
		return end(paceBackoff, "connect: %w", err), 0
	}
	defer leave()
	var s *session
	var why *ended
	resources.Apart(func() { s, why = h.open() })
	if why != nil {
		return why, 0
	}
	why = s.why(s.serve())
	s.close()
	h.missed(s, why)
	return why, time.Since(s.since)
}

// open makes a connection that is ready to be read.
func (h *hold) open() (*session, *ended) {
	h.showTrying(resources.StateConnecting)
	if err := h.memory.load(h.ctx); err != nil {
		return nil, end(paceBackoff, "connect: %w", err)
	}
	conn, l, why := h.dial()
	if why != nil {
		h.meter.Connect(Kind, why.result)
		h.memory.strayed()
		if l != nil {
			l.release()
		}
		return nil, why
	}
	h.meter.Connect(Kind, resources.ConnectOK)
	s := h.newSession(conn, l)
	if err := s.begin(); err != nil {
		why := s.why(err)
		s.close()
		return nil, why
	}
	h.live.Store(s) // first: who sees that it is connected can send
	s.show(cluster.Condition{State: resources.StateConnected})
	s.logged().Info("connected", "resumed", s.resumed)
	s.setAlarms()
	return s, nil
}

// dial connects, shakes hands and checks what was agreed. A link is to be released even when it fails.
func (h *hold) dial() (*websocket.Conn, *link, *ended) {
	address, why := h.address()
	if why != nil {
		return nil, nil, why
	}
	header, err := h.header()
	if err != nil {
		return nil, nil, failedDial(err)
	}
	var l *link
	dialer, err := h.dialer(address, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := h.guard.Connect(ctx, h.spec.Network, network, addr)
		if err != nil {
			return nil, err
		}
		l = bind(h.ctx, conn, h.spec.CloseOnHandover)
		return l, nil
	})
	if err != nil {
		return nil, nil, failedDial(err)
	}
	conn, resp, err := dialer.DialContext(h.ctx, address, header)
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		if resp.StatusCode == http.StatusUnauthorized {
			h.refused(header)
		}
		return nil, l, refusedDial("connect", resp.StatusCode, resp.Header)
	case isTimeout(err):
		why := end(paceBackoff, "connect: no answer within %s (handshake_timeout)", time.Duration(h.spec.HandshakeTimeout))
		why.result = resources.ConnectFailed
		return nil, l, why
	case err != nil:
		return nil, l, failedDial(err)
	}
	if got := conn.Subprotocol(); len(h.spec.Subprotocols) > 0 && !slices.Contains(h.spec.Subprotocols, got) {
		return nil, l, rejected(paceMax, "connect: the server speaks none of the subprotocols (it answered %q)", got)
	}
	l.opened(conn)
	return conn, l, nil
}

// dialer has the settings of the spec and makes its TCP connections with connect.
func (h *hold) dialer(address string, connect func(ctx context.Context, network, addr string) (net.Conn, error)) (*websocket.Dialer, error) {
	d := &websocket.Dialer{
		NetDialContext:    connect,
		HandshakeTimeout:  time.Duration(h.spec.HandshakeTimeout),
		ReadBufferSize:    readBuffer,
		WriteBufferSize:   writeBuffer,
		WriteBufferPool:   &h.writeBuffers,
		Subprotocols:      h.spec.Subprotocols,
		EnableCompression: h.spec.Compression,
	}
	var err error
	if strings.HasPrefix(address, "wss:") {
		d.TLSClientConfig, err = h.spec.TLS.Config()
	}
	return d, err
}

// isTimeout tells whether a deadline has passed. The library wraps os.ErrDeadlineExceeded so that it can't be found.
func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// failedDial is an attempt that got no answer.
func failedDial(err error) *ended {
	why := end(paceBackoff, "connect: %w", resources.ExplainTLS(err))
	why.result = resources.ConnectFailed
	if resources.IsBlocked(err) {
		why.pace, why.result = paceMax, resources.ConnectBlocked
	}
	return why
}
