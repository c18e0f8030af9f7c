package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/sink"
	"github.com/drm-cluster/drm/state"
)

// tail reads the stream on from where its cursor is, until ctx ends. An error that is not ctx's comes from the state, which no redis
// server can mend.
func (h *hold) tail() error {
	page := h.book.Page(h.claim)
	defer page.Close()
	h.showTrying(resources.StateConnecting)
	c := &cursor{key: h.spec.Stream.Key, page: page}
	if err := c.load(h.ctx); err != nil {
		return cmp.Or(resources.Cause(h.ctx), err)
	}
	// What is written goes on for a moment after ctx: the holder after this one shall not read again what the sink has taken.
	writing, cancel := context.WithCancel(h.claim.Held)
	defer cancel()
	defer context.AfterFunc(h.ctx, func() { time.AfterFunc(partingWrite, cancel) })()
	err := h.keepReading(writing, c)
	if h.claim.Held.Err() == nil {
		if err := c.persist(writing, true); err != nil {
			h.logged().Warn("cursor not written: what the sink has taken last will be sent again", "err", err)
		}
	}
	h.meter.Connection(Kind, h.counted, "")
	return err
}

// keepReading makes one connection after the other.
func (h *hold) keepReading(writing context.Context, c *cursor) error {
	addr := ""
	for hops := 0; ; {
		why, worked := h.readAt(writing, c, addr)
		if err := resources.Cause(h.ctx); err != nil {
			return err
		}
		if errors.Is(why.err, state.ErrFenced) || errors.Is(why.err, state.ErrUnsettled) {
			return why.err
		}
		if to, moved := redisconn.Moved(why.err, addr); moved && hops < maxHops {
			addr, hops = to, hops+1
			continue
		}
		addr, hops = "", 0
		h.countAs(why.state)
		if err := h.wait(why, worked); err != nil {
			return err
		}
	}
}

// countAs shows the connection, which is this resource's alone, in the figures.
func (h *hold) countAs(state string) {
	h.meter.Connection(Kind, h.counted, state)
	h.counted = state
}

// readAt makes one connection, when it is its turn, and reads until it is over. It returns why, and how long it worked.
func (h *hold) readAt(writing context.Context, c *cursor, addr string) (*ended, time.Duration) {
	try := func(state string) {
		h.countAs(state)
		h.showTrying(state)
	}
	leave, err := h.budgets.Enter(h.ctx, h.spec.group(), h.spec.ConnectLimit, func() { try(resources.StateWaiting) })
	if err != nil {
		return judge(err), 0
	}
	defer leave()
	try(resources.StateConnecting)
	patience := time.Duration(h.spec.Stream.Block + h.spec.Ping.Timeout)
	var conn *redisconn.Conn
	if addr == "" {
		conn, err = h.dialer.Dial(h.ctx, &h.spec.Target, patience)
	} else {
		conn, err = h.dialer.DialAt(h.ctx, &h.spec.Target, addr, patience)
	}
	if err != nil {
		why := judge(err)
		h.meter.Connect(Kind, why.result)
		return why, 0
	}
	defer conn.Close()
	defer context.AfterFunc(h.ctx, func() { _ = conn.Close() })()
	h.meter.Connect(Kind, resources.ConnectOK)
	conn.SetLimits(h.spec.limits())
	since := time.Now()
	return judge(h.read(writing, c, conn)), time.Since(since)
}

// read reads until the connection is over, or the state fails, and returns why.
func (h *hold) read(writing context.Context, c *cursor, conn *redisconn.Conn) error {
	if err := h.begin(writing, c, conn); err != nil {
		return err
	}
	for {
		r, err := h.look(c, conn)
		if err != nil {
			return err
		}
		if err := h.passOn(c, r); err != nil {
			return err
		}
		if err := c.persist(writing, len(r.entries) == 0); err != nil {
			return err
		}
	}
}

// begin finds out, once for each stream, where to begin, and keeps that: whoever holds the resource next must not begin later.
func (h *hold) begin(writing context.Context, c *cursor, conn *redisconn.Conn) error {
	if c.begun {
		return nil
	}
	at, err := parseEntryID(h.spec.Stream.Start)
	if h.spec.Stream.Start == startNew {
		var s shape
		s, err = readShape(conn.Do("XINFO", "STREAM", c.key))
		at, c.passed = s.last, s.added
	}
	if err != nil {
		return fmt.Errorf("find the end of the stream: %w", err)
	}
	c.move(at)
	return c.persist(writing, true)
}

// reading is what was found at once.
type reading struct {
	gap     *resources.Gap // before the entries; nil if there is none
	from    entryID        // that the entries come after
	entries []entry        // none if none has come in time
}

// look reads the next entries, or none if none comes in time, and finds out whether any are missing before them. Both commands are sent
// together, so that nothing is trimmed between them.
func (h *hold) look(c *cursor, conn *redisconn.Conn) (r reading, err error) {
	block := time.Duration(h.spec.Stream.Block)
	err = errors.Join(conn.Send("XINFO", "STREAM", c.key), conn.Send("XREAD", "COUNT", h.spec.Stream.Count,
		"BLOCK", block.Milliseconds(), "STREAMS", c.key, c.at.String()), conn.Flush())
	if err != nil {
		return r, fmt.Errorf("connection lost: %w", err)
	}
	s, err := readShape(conn.Receive())
	if err != nil {
		return r, fmt.Errorf("look at stream: %w", err)
	}
	if h.counted != resources.StateConnected { // before what may block
		h.countAs(resources.StateConnected)
		h.show(cluster.Condition{State: resources.StateConnected})
		h.logged().Info("connected", "address", conn.Addr, "cursor", c.at.String())
	}
	r.gap, r.from = c.missing(s)
	reply, err := conn.Receive()
	if err != nil {
		return r, fmt.Errorf("read stream: %w", err)
	}
	if r.from == c.at {
		r.entries, err = readEntries(reply)
	}
	return r, err
}

// passOn hands to the sink what was read, and moves the cursor when it has taken it.
func (h *hold) passOn(c *cursor, r reading) error {
	now, at := time.Now(), r.from
	var items []item
	read := 0
	if r.gap != nil {
		h.meter.Miss(Kind, *r.gap)
		items = append(items, item{at: now, gap: r.gap})
	}
	for i, e := range r.entries {
		if !e.whole && i > 0 {
			break // it was the one too many for a single reading; the next begins with it
		}
		h.meter.Receive(Kind)
		at, read = e.id, read+1
		if !e.whole || e.size > int(h.spec.MaxPayload) {
			h.meter.Drop(Kind, resources.DropTooBig, 1)
			continue
		}
		items = append(items, item{at: now, channel: c.key, id: e.id.String(), data: e.data})
	}
	if len(items) > 0 {
		err := h.send(items)
		var refused *sink.RefusedError
		switch {
		case errors.As(err, &refused):
			h.meter.Drop(Kind, resources.DropRefused, refused.Messages)
		case err != nil:
			return err
		}
	}
	if at != c.at {
		c.move(at)
		c.pass(read)
	}
	return nil
}
