//go:build linux

package recorder

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// link is a TCP connection that counts what it received and can say whether the other side has closed it.
type link struct {
	*net.TCPConn
	received atomic.Int64
}

// Read implements net.Conn.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.TCPConn.Read(b)
	l.received.Add(int64(n))
	return n, err
}

// alive asks the kernel whether both sides still have the connection open. Unread bytes don't matter.
func (l *link) alive() bool {
	raw, err := l.SyscallConn()
	if err != nil {
		return false
	}
	established := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		established = err == nil && info.State == unix.BPF_TCP_ESTABLISHED
	})
	return err == nil && established
}

// client is the other side's address.
func (l *link) client() netip.AddrPort { return l.RemoteAddr().(*net.TCPAddr).AddrPort() }

// listener makes links of what it accepts.
type listener struct{ *net.TCPListener }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return nil, fmt.Errorf("accept connection: %w", err)
	}
	return &link{TCPConn: conn}, nil
}

type linkKey struct{}

// withLink lets a handler find the link that a request came on.
func withLink(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, linkKey{}, conn)
}
