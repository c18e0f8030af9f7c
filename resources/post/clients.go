// Package post sends HTTP requests to other people's servers on behalf of resources: what kinds and sinks share that do.
//
//	spec ──▶ Target ──Clients.Open──▶ Poster.Post: secrets, auth, signature ──▶ guard, TLS, proxy ──▶ server
//	                                      │
//	                                      ▼
//	                    Answer, or an Error that tells whether it may have been sent
//
// What is promised:
//
//   - A request leaves once at the most. Go's HTTP client sends some again on its own, when a connection that was kept
//     turns out to be dead; none of these are such, whatever their headers.
//   - Redirects of a POST are not followed: they would turn it into a GET without a body. Those of a GET are only if the caller says
//     so (Fetch), under the same rules as the URL of the spec, and no credentials are passed on.
//   - Not a byte of a body is sent once the context's Err is not nil, which may look at a clock.
//   - An error without Sent set means that no byte of the request has left. With it, nobody on this side can know.
//   - Time and memory are bounded whatever the server does: by the context, maxAnswer and maxHeader. Only the body of a Response is
//     for the caller to bound.
//   - Errors hold no secret and no query of a URL.
package post

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/drm-cluster/drm/resources"
)

const (
	// maxConns is how many connections there may be to one host with the same settings: many resources share a
	// target, and beyond this they wait for each other.
	maxConns = 256
	// maxIdle is how long a connection is kept unused: for less than any server keeps it. One that the server closes as we
	// write leaves it in doubt whether the request arrived, which is worse than to dial anew.
	maxIdle = time.Second

	maxHeader = 64 << 10 // of an answer
)

// settings say how connections are made.
type settings struct {
	TLS            resources.TLS
	Network        resources.Network
	ConnectTimeout time.Duration // from the name look-up to the end of the TLS handshake; 0: until the context ends
}

// Clients are what makes the HTTP requests of a node: a pool of connections for each settings in use. It may be used
// concurrently.
type Clients struct {
	guard *resources.Guard

	mu         sync.Mutex
	transports map[string]*http.Transport // by settings, as text
}

// NewClients returns Clients whose connections the guard judges; nil is the strictest. Close it when it is used no more.
func NewClients(guard *resources.Guard) *Clients {
	if guard == nil {
		guard = &resources.Guard{}
	}
	return &Clients{guard: guard, transports: map[string]*http.Transport{}}
}

// Close gives up connections that are not in use.
func (c *Clients) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// transport returns the transport for the settings. It is used without an http.Client, which would follow redirects, and
// take an answer whose Location is malformed for none. Transports are kept until Close; one without connections costs a
// few hundred bytes.
func (c *Clients) transport(s settings) *http.Transport {
	key := fmt.Sprintf("%+v", s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.transports[key]; t != nil {
		return t
	}
	d := &dialer{settings: s, guard: c.guard}
	t := &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        maxIdle,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // decompressing is for whoever bounds what comes out of it
	}
	c.transports[key] = t
	return t
}

// dialer makes the connections of one pool.
type dialer struct {
	settings
	guard *resources.Guard
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	conn, err := d.guard.Connect(ctx, d.Network, network, addr)
	return conn, late(ctx, err)
}

func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	conn, err := d.secure(ctx, network, addr)
	return conn, late(ctx, err)
}

// limit bounds the making of one connection.
func (d *dialer) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.ConnectTimeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d.ConnectTimeout, fmt.Errorf("no connection within %s (connect_timeout)", d.ConnectTimeout))
}

// secure connects and shakes hands. Files are read for each connection: a rotated one counts from the next on.
func (d *dialer) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	config, err := d.TLS.Config()
	if err != nil {
		return nil, err
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	plain, err := d.guard.Connect(ctx, d.Network, network, addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

// late puts the cause in the place of an error that says no more than that a deadline has passed.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
