package resources

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxProxyHeader is how much a proxy's answer may hold.
const maxProxyHeader = 64 << 10

// Connect makes a TCP connection to an address, host:port, which the guard and the spec judge, through the spec's proxy if it has one:
// then they judge the proxy. It ends with ctx.
func (g *Guard) Connect(ctx context.Context, n Network, network, addr string) (net.Conn, error) {
	if n.Proxy == "" {
		return g.DialerWithin(n).DialContext(ctx, network, addr)
	}
	u, err := url.Parse(n.Proxy)
	if err != nil {
		return nil, fmt.Errorf("read network.proxy: %w", err)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	conn, err := g.DialerWithin(n).DialContext(ctx, network, net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("connect to network.proxy: %w", err)
	}
	if err := tunnel(ctx, conn, addr); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// tunnel asks the proxy at the other end of a connection to pass on bytes to an address (RFC 9110, section 9.3.6).
func tunnel(ctx context.Context, conn net.Conn, addr string) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if err := ask.Write(conn); err != nil {
		return fmt.Errorf("ask network.proxy: %w", err)
	}
	// The other side speaks only after we did: what follows the answer's head would be the proxy's own doing.
	reader := bufio.NewReaderSize(io.LimitReader(conn, maxProxyHeader), 4<<10)
	answer, err := http.ReadResponse(reader, ask)
	if err != nil {
		return fmt.Errorf("ask network.proxy: %w", err)
	}
	_ = answer.Body.Close()
	switch {
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("ask network.proxy: it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	case reader.Buffered() > 0:
		return errors.New("ask network.proxy: it sent more than an answer")
	case !stop():
		return Cause(ctx)
	}
	return nil
}
