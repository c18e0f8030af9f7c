package sink

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// redisSpec is {"type": "redis", …}.
type redisSpec struct {
	remote
	redisconn.Target

	Stream  string `json:"stream"`                              // the key of a stream to add to, or
	Channel string `json:"channel"`                             // a channel to publish to; both may hold {kind} and {id}
	MaxLen  int64  `json:"max_len" min:"0" max:"1000000000000"` // about how many entries the stream keeps; 0: all
}

func defaultRedis() *redisSpec {
	return &redisSpec{remote: remotely(resources.SinkRedis, 100), Target: redisconn.DefaultTarget(), MaxLen: 1_000_000}
}

func (r *redisSpec) check() error {
	switch {
	case r.Stream == "" && r.Channel == "":
		return resources.Wrong("stream", "is missing, and so is channel; give one of them")
	case r.Stream != "" && r.Channel != "":
		return resources.Wrong("channel", "is given, and so is stream; give one of them")
	}
	if err := checkFill("stream", r.Stream); err != nil {
		return err
	}
	if err := checkFill("channel", r.Channel); err != nil {
		return err
	}
	return r.Target.Check()
}

func (r *redisSpec) open(set *Set) target {
	place := r.Place()
	l := set.lines.open(place, func() *line {
		return &line{dialer: set.redis, turn: make(chan struct{}, 1)}
	})
	return &toRedis{set: set, spec: r, place: place, line: l}
}

// toRedis adds messages to a stream, or publishes them.
type toRedis struct {
	set   *Set
	spec  *redisSpec
	place redisconn.Place
	line  *line
}

func (t *toRedis) close() { t.set.lines.close(t.place, (*line).end) }

func (t *toRedis) send(ctx context.Context, batch []Message) error {
	ctx, cancel := resources.WithTimeout(ctx, time.Duration(t.spec.Timeout), t.spec.late())
	defer cancel()
	commands := make([][]any, len(batch))
	for i, m := range batch {
		_, body, err := t.spec.encode(m)
		if err != nil {
			return &refusal{batch, err}
		}
		commands[i] = t.command(m, body)
	}
	if err := t.line.do(ctx, t.spec, commands); err != nil {
		return fmt.Errorf("send to redis %s: %w", t.spec.Target.String(), err)
	}
	return nil
}

// command is what adds one message. The id and the epoch stand beside it, so that a reader can drop what it has seen without
// looking inside.
func (t *toRedis) command(m Message, body []byte) []any {
	if t.spec.Channel != "" {
		return []any{"PUBLISH", fill(t.spec.Channel, m), body}
	}
	add := []any{"XADD", fill(t.spec.Stream, m)}
	if t.spec.MaxLen > 0 {
		add = append(add, "MAXLEN", "~", t.spec.MaxLen)
	}
	return append(add, "*", "id", m.Source+"/"+m.ID, "epoch", m.Epoch, "data", body)
}

// line is the connection that all sinks of a node with the same place share. Who has the turn sends its commands at once and reads their
// answers.
type line struct {
	dialer *redisconn.Dialer
	turn   chan struct{}
	conn   *redisconn.Conn // nil: none; owned by whose turn it is
}

// do sends commands in order and returns when each was answered well.
func (l *line) do(ctx context.Context, spec *redisSpec, commands [][]any) (err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return resources.Cause(ctx)
	}
	if resources.Cause(ctx) != nil {
		return resources.Cause(ctx)
	}
	if l.conn == nil {
		if l.conn, err = l.dialer.Dial(ctx, &spec.Target, time.Duration(spec.Timeout)); err != nil {
			l.conn = nil
			return err
		}
	}
	conn := l.conn
	unbind := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = exchange(conn, commands)
	if bound := unbind(); err != nil || !bound {
		_ = conn.Close() // one that complains may be a master no more
		l.conn = nil
	}
	if cause := resources.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// exchange sends all commands as one transaction, so that they are done all at once or, if this ends in between, not at all: what is
// sent again is in order.
func exchange(conn *redisconn.Conn, commands [][]any) error {
	all := slices.Concat([][]any{{"MULTI"}}, commands, [][]any{{"EXEC"}})
	for _, c := range all {
		if err := conn.Send(c[0].(string), c[1:]...); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	var last any
	for range all {
		var err error
		if last, err = conn.Receive(); err != nil {
			return err
		}
	}
	results, _ := last.([]any)
	for _, result := range results {
		if err, failed := result.(error); failed {
			return err
		}
	}
	return nil
}

// end closes the connection. Nobody has the turn any more.
func (l *line) end() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
}
