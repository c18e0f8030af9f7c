package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/resources"
)

// master asks the sentinels, one after the other, where the master is, and believes the first that knows.
func (d *Dialer) master(ctx context.Context, t *Target) (string, error) {
	var failed error
	for _, addr := range t.Sentinel.Addrs {
		at, err := d.ask(ctx, t, withPort(addr, sentinelPort))
		if err == nil {
			return at, nil
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			return "", resources.Cause(ctx)
		}
	}
	return "", fmt.Errorf("ask sentinels for the master %q: %w", t.Sentinel.Master, failed)
}

func (d *Dialer) ask(ctx context.Context, t *Target, addr string) (string, error) {
	conn, err := d.connect(ctx, t, login{
		addr: addr, user: t.Sentinel.Username, password: t.Sentinel.Password, answer: time.Duration(t.DialTimeout),
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	at, err := redis.Strings(conn.Do("SENTINEL", "get-master-addr-by-name", t.Sentinel.Master))
	switch {
	case errors.Is(err, redis.ErrNil):
		return "", fmt.Errorf("ask %s: it knows no such master; see sentinel.master", addr)
	case err != nil:
		return "", fmt.Errorf("ask %s: %w", addr, err)
	case len(at) != 2:
		return "", fmt.Errorf("ask %s: it answered %d words instead of host and port", addr, len(at))
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// expectMaster makes sure that the server is a master: a sentinel may not have heard yet that another has taken over.
func expectMaster(c *Conn) error {
	role, err := redis.Values(c.Do("ROLE"))
	if err != nil {
		return fmt.Errorf("ask %s for its role: %w", c.Addr, err)
	}
	var name string
	if _, err := redis.Scan(role, &name); err != nil || name != "master" {
		return fmt.Errorf("connect to %s: the sentinels call it the master, and it calls itself %q", c.Addr, name)
	}
	return nil
}
