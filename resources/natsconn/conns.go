// Package natsconn keeps connections to other people's NATS servers on behalf of resources: one for each target, shared by all on
// a node that use it.
//
//	spec ──▶ Target ──Conns.Open──▶ Conn ──Get──▶ *nats.Conn
//	                     │           ▲
//	                     ▼           │ one more user of the same
//	                    link: connects, and connects again ──▶ guard, TLS, credentials ──▶ server
//
// What is promised:
//
//   - Equal targets share a connection. It is made when the first opens it, and closed when the last has closed it.
//   - A connection that is lost or refused is made again without end, after pauses that grow and are left to chance in part. Credentials
//     and certificates are read anew each time: rotated ones count from the next connection on.
//   - Nothing is sent later than it was asked for: while there is no connection, there is none to be had. A resource that was let go
//     meanwhile would else speak through a buffer that outlives it.
//   - Every address is judged by the egress guard when it is dialled. Servers that a server tells of are not used: name all in the spec.
//   - Errors hold no secret.
package natsconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/drm-cluster/drm/resources"
)

// ErrClosed says that a Conn was closed.
var ErrClosed = errors.New("the connection was closed")

// Options say what the connections of a node share.
type Options struct {
	Guard *resources.Guard // nil: the strictest
	Name  string           // what connections are called in the servers' own lists, such as drm/1.2.0
	Log   *slog.Logger     // nil: none
}

// Conns are the connections of a node. They may be used concurrently.
type Conns struct {
	o Options

	mu    sync.Mutex
	links map[Target]*link
}

// New returns Conns without connections. It needs no closing: each Conn does.
func New(o Options) *Conns {
	if o.Guard == nil {
		o.Guard = &resources.Guard{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Conns{o: o, links: map[Target]*link{}}
}

// Open returns a share in the connection to a target, which must have passed Check. It doesn't wait for the connection: Get does.
func (c *Conns) Open(t Target) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.links[t]
	if l == nil {
		ctx, cancel := context.WithCancel(context.Background())
		l = &link{Options: c.o, target: t, cancel: cancel, done: make(chan struct{})}
		l.now = state{err: errPending, over: make(chan struct{})}
		c.links[t] = l
		go l.run(ctx)
	}
	l.users++
	return &Conn{conns: c, link: l}
}

// leave takes one user from a link, and tells whether it was the last.
func (c *Conns) leave(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.users--; l.users > 0 {
		return false
	}
	delete(c.links, l.target)
	return true
}

// Conn is a share in a connection. It may be used concurrently.
type Conn struct {
	conns  *Conns
	link   *link
	closed sync.Once
}

// Get returns the connection, and waits for it until ctx ends; then its error says why there is none. What it returns is closed when it is
// lost: ask again then, and subscribe again. It is shared, so don't close it, and not to be used after Close.
func (c *Conn) Get(ctx context.Context) (*nats.Conn, error) {
	for {
		now := c.link.state()
		switch {
		case now.conn != nil && !now.conn.IsClosed():
			return now.conn, nil
		case errors.Is(now.err, ErrClosed):
			return nil, now.err
		}
		select {
		case <-now.over:
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", c.link.target.URL, now.err)
		}
	}
}

// Close gives up the share. The last of a target closes the connection, and returns when it is closed. Calls after the first do nothing.
func (c *Conn) Close() {
	c.closed.Do(func() {
		if c.conns.leave(c.link) {
			c.link.cancel()
			<-c.link.done
		}
	})
}
