package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// What is said over the connection of a hub.
const (
	subscribe = iota
	unsubscribe
	ping
)

// command is one that is sent and answered once: for several channels together an error would not tell which it is about.
type command struct {
	verb int
	topic
}

// words are the command as redis knows it.
func (c command) words() (name string, args []any) {
	if c.verb == ping {
		return "PING", nil
	}
	name = map[string]string{modePubsub: "SUBSCRIBE", modePattern: "PSUBSCRIBE", modeSharded: "SSUBSCRIBE"}[c.mode]
	if c.verb == unsubscribe {
		name = map[string]string{modePubsub: "UNSUBSCRIBE", modePattern: "PUNSUBSCRIBE", modeSharded: "SUNSUBSCRIBE"}[c.mode]
	}
	return name, []any{c.name}
}

// line is what is said over one connection, and what of it is not answered yet. All but conn and wake is protected by the hub's mutex.
type line struct {
	conn    *redisconn.Conn
	wake    chan struct{}
	queue   []command // to be sent
	awaited []command // that were; answers come in this order
	// ending counts, of each topic, the unsubscribes without an answer: the answer to a subscribe that comes before theirs is out of date.
	ending map[topic]int
}

// say puts a command into the queue.
func (l *line) say(c command) {
	l.queue = append(l.queue, c)
	if c.verb == unsubscribe {
		l.ending[c.topic]++
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// connect makes one connection, when it is its turn, and reads it until it is over. It returns why, and how long it worked.
func (u *hub) connect(ctx context.Context) (*ended, time.Duration) {
	leave, err := u.budgets.Enter(ctx, u.group, u.limit, func() { u.trying(resources.StateWaiting) })
	if err != nil {
		return judge(err), 0
	}
	defer leave()
	u.trying(resources.StateConnecting)
	conn, err := u.dial(ctx)
	if err != nil {
		why := judge(err)
		u.meter.Connect(Kind, why.result)
		return why, 0
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	u.meter.Connect(Kind, resources.ConnectOK)
	u.meterAs(resources.StateConnected)
	u.logged().Info("connected", "address", conn.Addr)
	since := time.Now()
	err = u.serve(conn)
	return judge(fmt.Errorf("connection lost: %w", err)), time.Since(since)
}

// dial makes a connection to a server that answers.
func (u *hub) dial(ctx context.Context) (conn *redisconn.Conn, err error) {
	patience := time.Duration(u.ping.Timeout)
	if u.site.addr == "" {
		conn, err = u.dialer.Dial(ctx, &u.target, patience)
	} else {
		conn, err = u.dialer.DialAt(ctx, &u.target, u.site.addr, patience)
	}
	if err != nil {
		return nil, err
	}
	unbind := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unbind()
	if _, err := conn.Do("PING"); err != nil { // rather than that each subscription is refused for want of a password
		_ = conn.Close()
		return nil, fmt.Errorf("connect to %s: %w", conn.Addr, err)
	}
	return conn, nil
}

// serve subscribes to everything, and reads until the connection is over.
func (u *hub) serve(conn *redisconn.Conn) error {
	l := &line{conn: conn, wake: make(chan struct{}, 1), ending: map[topic]int{}}
	u.mu.Lock()
	u.line, u.heard = l, time.Now()
	conn.SetLimits(u.limits)
	for topic := range u.topics {
		l.say(command{subscribe, topic})
	}
	u.mu.Unlock()
	quit := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { u.write(l, quit) })
	err := u.read(l)
	_ = conn.Close() // so that a write ends
	close(quit)
	writing.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.line = nil
	clear(u.live)
	return err
}

// write sends what there is to say, and pings, until quit.
func (u *hub) write(l *line, quit <-chan struct{}) {
	timer := time.NewTimer(u.untilPing())
	defer timer.Stop()
	for {
		select {
		case <-l.wake:
		case <-timer.C:
			u.mu.Lock()
			l.say(command{verb: ping})
			u.mu.Unlock()
			timer.Reset(u.untilPing())
		case <-quit:
			return
		}
		u.mu.Lock()
		batch := l.queue
		l.queue = nil
		l.awaited = append(l.awaited, batch...)
		u.mu.Unlock()
		if err := sendAll(l.conn, batch); err != nil {
			_ = l.conn.Close() // so that the reading ends
			return
		}
	}
}

func sendAll(conn *redisconn.Conn, batch []command) error {
	for _, c := range batch {
		name, args := c.words()
		if err := conn.Send(name, args...); err != nil {
			return err
		}
	}
	return conn.Flush()
}

// untilPing is an interval, shortened at random: many nodes don't ping together for ever.
func (u *hub) untilPing() time.Duration {
	interval := time.Duration(u.ping.Interval)
	return resources.Jitter(interval-interval/10, interval)
}

var (
	errUnasked   = errors.New("the server answered what was not asked")
	errSlotMoved = errors.New("the channel is no longer this node's")
)

// read takes what comes until the connection is over, and returns why it is.
func (u *hub) read(l *line) error {
	patience := time.Duration(u.ping.Interval + u.ping.Timeout)
	for {
		reply, err := l.conn.ReceiveWithTimeout(patience)
		refused := redisconn.Code(err) != ""
		if err != nil && !refused {
			return err
		}
		now := time.Now()
		p, pushed := pushed(reply)
		switch {
		case refused:
			err = u.refused(l, err, now)
		case pushed && p.isMessage():
			u.pass(p, now)
		default:
			err = u.answered(l, p, now)
		}
		if err != nil {
			return err
		}
	}
}
