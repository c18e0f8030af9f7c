package natsconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/drm-cluster/drm/resources"
)

const (
	connectTimeout = 5 * time.Second  // of one server, for each of: dialling, shaking hands
	writeTimeout   = 10 * time.Second // of what the server doesn't take
	// A server that is silent for this long, asked as often as this, is given up.
	pingEvery, pingsOut = 10 * time.Second, 2
)

// errPending is why there is no connection as long as nothing has gone wrong.
var errPending = errors.New("no answer yet")

// link keeps the connection to one target.
type link struct {
	Options
	target Target
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	users  int           // guarded by the mutex of Conns

	mu  sync.Mutex
	now state
}

// state is what a link has for its users.
type state struct {
	conn *nats.Conn    // nil: none
	err  error         // why there is none
	over chan struct{} // closed when another state has taken its place
}

func (l *link) state() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *link) set(conn *nats.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.now.over)
	l.now = state{conn: conn, err: err, over: make(chan struct{})}
}

// run connects until ctx ends. The client's own reconnecting is not used: it keeps what is published meanwhile and sends it later, reads
// neither certificates nor seeds again, and doesn't come back from all errors.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	defer func() { l.set(nil, ErrClosed) }()
	backoff := resources.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, StableAfter: 30 * time.Second}
	for {
		worked, err := l.hold(ctx)
		if ctx.Err() != nil {
			return
		}
		l.set(nil, err)
		pause := backoff.Next(worked)
		l.Log.Warn("no connection to NATS; trying again", "url", l.target.URL, "in", pause.Round(time.Millisecond), "err", err)
		if resources.Wait(ctx, pause) != nil {
			return
		}
	}
}

// hold connects, and keeps the connection until it is lost or ctx ends. It returns how long there was one, and why there is none.
func (l *link) hold(ctx context.Context) (time.Duration, error) {
	lost := make(chan struct{})
	conn, err := l.connect(ctx, func(*nats.Conn) { close(lost) })
	if err != nil {
		return 0, err
	}
	began := time.Now()
	l.set(conn, nil)
	select {
	case <-lost:
		err = explain(conn.LastError())
	case <-ctx.Done():
		conn.Close()
		<-lost
		err = resources.Cause(ctx)
	}
	return time.Since(began), err
}

// connect makes a connection, which calls lost when it has ended.
func (l *link) connect(ctx context.Context, lost nats.ConnHandler) (*nats.Conn, error) {
	o := nats.GetDefaultOptions()
	o.Servers = strings.Split(l.target.URL, ",")
	o.Name = l.Name
	o.AllowReconnect, o.IgnoreDiscoveredServers = false, true
	o.Timeout, o.FlusherTimeout = connectTimeout, writeTimeout
	o.PingInterval, o.MaxPingsOut = pingEvery, pingsOut
	o.ClosedCB = lost
	o.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) {
		l.Log.Warn("NATS complains", "url", l.target.URL, "err", err)
	}
	if err := l.target.Auth.apply(&o); err != nil {
		return nil, err
	}
	config, err := l.target.TLS.Config()
	if err != nil {
		return nil, err
	}
	config.NextProtos = nil
	o.TLSConfig, o.Secure = config, l.target.secure()
	d := &dialer{ctx: ctx, plain: l.Guard.Dialer()}
	o.SkipHostLookup, o.CustomDialer = true, d // the dialer looks names up itself, and the guard judges what it finds
	conn, err := o.Connect()
	d.release()
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, nats.ErrNoServers) && d.err != nil:
		err = d.err // the client says no more of a connection that was refused
	}
	return nil, explain(err)
}

// dialer makes the connections for one attempt to reach any of the servers.
type dialer struct {
	ctx      context.Context // of the attempt: the client calls Dial without one
	plain    *net.Dialer
	err      error
	releases []func() bool
}

// Dial implements nats.CustomDialer. Until release, what it returns is closed when ctx ends.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(d.ctx, connectTimeout, fmt.Errorf("no connection to %s within %s", address, connectTimeout))
	defer cancel()
	conn, err := d.plain.DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		d.err = err
		return nil, err
	}
	d.releases = append(d.releases, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	return conn, nil
}

// release has connections outlive the attempt.
func (d *dialer) release() {
	for _, r := range d.releases {
		r()
	}
}

// explain adds to an error what to look at.
func explain(err error) error {
	switch {
	case err == nil:
		return errors.New("the server hung up")
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("%w; see auth", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("%w; it speaks no TLS: see url", err)
	}
	return resources.ExplainTLS(err)
}
