// Package redisconn makes connections to redis servers on behalf of resources and sinks: what those that speak redis share.
//
//	spec ──▶ Target ──Dialer.Dial──▶ sentinels: who is the master? ──▶ guard, TCP, TLS, AUTH, SELECT ──▶ Conn
//
// What is promised:
//
//   - The operator's guard judges each address that is dialled, those included that a sentinel or a cluster has named.
//   - Memory is bounded whatever the server sends: the lengths that it announces are judged before anything is allocated (see
//     Limits). What is too long is left out and read as nil, so that one long message costs nobody else the connection.
//   - Errors hold no secret, even of a server that repeats the password in its complaint.
//
// The protocol is RESP2, by github.com/gomodule/redigo.
package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/resources"
)

// Dialer makes the redis connections of a node. It may be used concurrently.
type Dialer struct {
	guard *resources.Guard
}

// NewDialer returns a Dialer whose connections the guard judges; nil is the strictest.
func NewDialer(guard *resources.Guard) *Dialer {
	if guard == nil {
		guard = &resources.Guard{}
	}
	return &Dialer{guard: guard}
}

// Conn is a connection that is logged in. One goroutine may call Send and Flush while another calls Receive; Close may be called at
// any time, by anybody, and ends what the others wait for. It does not end with a context: context.AfterFunc can close it.
type Conn struct {
	redis.ConnWithTimeout

	Addr string // host:port of the server
	wire *wire
}

// SetLimits changes how much is taken of the replies that begin from now on.
func (c *Conn) SetLimits(l Limits) { c.wire.limits.Store(&l) }

// Dial connects to the target, which has passed Check. Writing a command, and its answer, may take answer each; 0 is any time.
func (d *Dialer) Dial(ctx context.Context, t *Target, answer time.Duration) (*Conn, error) {
	if t.Sentinel.Master == "" {
		return d.DialAt(ctx, t, t.address(), answer)
	}
	addr, err := d.master(ctx, t)
	if err != nil {
		return nil, err
	}
	conn, err := d.DialAt(ctx, t, addr, answer)
	if err != nil {
		return nil, err
	}
	if err := expectMaster(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// DialAt does as Dial, at another address (host:port): that which the error MOVED has named.
func (d *Dialer) DialAt(ctx context.Context, t *Target, addr string, answer time.Duration) (*Conn, error) {
	return d.connect(ctx, t, login{addr: addr, user: t.user(), password: t.Password, db: t.database(), answer: answer})
}

// login is where and as whom to connect.
type login struct {
	addr, user string
	password   resources.Secret
	db         int
	answer     time.Duration
}

func (d *Dialer) connect(ctx context.Context, t *Target, l login) (conn *Conn, err error) {
	limit := time.Duration(t.DialTimeout)
	ctx, cancel := resources.WithTimeout(ctx, limit, fmt.Errorf("no answer within %s (dial_timeout)", limit))
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("connect to %s: %w", l.addr, err)
		}
	}()
	plain, err := d.guard.DialerWithin(t.Network.guarded()).DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return nil, late(ctx, err)
	}
	unbind := context.AfterFunc(ctx, func() { _ = plain.Close() })
	conn, err = t.greet(ctx, plain, l)
	if bound := unbind(); err != nil || !bound {
		_ = plain.Close()
		return nil, late(ctx, err)
	}
	return conn, nil
}

// late returns why ctx has ended, if it has, and err if not.
func late(ctx context.Context, err error) error {
	if cause := resources.Cause(ctx); cause != nil && !resources.IsBlocked(err) && !errors.Is(err, cause) {
		return cause
	}
	return err
}

// greet shakes hands and logs in. Secrets and files are read for each connection: what was rotated counts from the next on.
func (t *Target) greet(ctx context.Context, plain net.Conn, l login) (*Conn, error) {
	password, err := l.password.Read()
	if err != nil {
		return nil, err
	}
	stream, err := t.encrypt(ctx, plain, l.addr)
	if err != nil {
		return nil, resources.ExplainTLS(err)
	}
	w := newWire(stream, plain)
	raw, ok := redis.NewConn(w, l.answer, l.answer).(redis.ConnWithTimeout)
	if !ok {
		return nil, errors.New("the redis library has no time-outs")
	}
	c := &Conn{ConnWithTimeout: raw, Addr: l.addr, wire: w}
	if password != "" {
		if err := c.authenticate(l.user, password); err != nil {
			return nil, err
		}
	}
	if l.db != 0 {
		if _, err := c.Do("SELECT", l.db); err != nil {
			return nil, fmt.Errorf("select database %d: %w", l.db, explain(err))
		}
	}
	return c, nil
}

func (t *Target) encrypt(ctx context.Context, plain net.Conn, addr string) (net.Conn, error) {
	if !t.secure() {
		return plain, nil
	}
	config, err := t.TLS.Config()
	if err != nil {
		return nil, err
	}
	config.NextProtos = nil // those are of HTTP
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(plain, config)
	err = conn.HandshakeContext(ctx)
	if cause := resources.Cause(ctx); cause != nil { // a redis server without TLS waits for the rest of a command
		return nil, fmt.Errorf("%w, not even to a TLS handshake; does the server speak TLS on that port?", cause)
	}
	return conn, err
}

// authenticate logs in. Of what the server complains only the code is told: one that doesn't know AUTH repeats the password.
func (c *Conn) authenticate(user, password string) error {
	args := []any{password}
	if user != "" {
		args = []any{user, password}
	}
	_, err := c.Do("AUTH", args...)
	if code := Code(err); code != "" {
		return fmt.Errorf("log in: %w", &ReplyError{Code: code, login: true, hint: "see the user in url, and password"})
	}
	return explain(err)
}
