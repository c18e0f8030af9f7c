package post

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

	"github.com/drm-cluster/drm/resources"
)

// tunnel asks the proxy at the other end of a connection to pass on bytes to an address (RFC 9110, section 9.3.6).
func tunnel(ctx context.Context, conn net.Conn, addr string) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if err := ask.Write(conn); err != nil {
		return fmt.Errorf("ask network.proxy: %w", err)
	}
	// The other side speaks only after we did: what follows the answer's head would be the proxy's own doing.
	reader := bufio.NewReaderSize(io.LimitReader(conn, maxHeader), 4<<10)
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
		return resources.Cause(ctx)
	}
	return nil
}
