package websocket

import (
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

// begin says and hears all that comes before a connection counts as made: the handshake, and subscriptions, or what resumes them. The sink
// is told of what was missed, unless it is to be sent again.
func (s *session) begin() error {
	values := s.memory.values()
	s.resumed = len(values) > 0
	for i := range s.spec.Handshake {
		step := &s.spec.Handshake[i]
		var err error
		if step.Expect.Empty() {
			err = s.say(step.Send, terms{Resume: values})
		} else {
			err = s.await(i, step)
		}
		if err != nil {
			return err
		}
	}
	if s.resumed && len(s.spec.Resume.Send) > 0 {
		if err := s.say(s.spec.Resume.Send, terms{Resume: values}); err != nil {
			return err
		}
	} else if err := s.subscribe(); err != nil {
		return err
	}
	if s.resumed || s.gap == nil {
		return nil
	}
	return s.tellGap()
}

// subscribe sends the messages that the spec says, in order.
func (s *session) subscribe() error {
	for _, text := range s.spec.Subscribe {
		if err := s.say(text, terms{Resume: s.memory.values()}); err != nil {
			return err
		}
	}
	return nil
}

// say sends what a template makes of the values, when send_rate allows it.
func (s *session) say(t template, values terms) error {
	text, err := t.fill(values, s.spec.Secrets)
	if err != nil {
		return end(paceBackoff, "send: %w", err)
	}
	if s.pace != nil {
		if err := s.pace.Wait(s.ctx); err != nil {
			return err
		}
	}
	return s.write(websocket.TextMessage, []byte(text))
}

// await reads until the message comes that a step of the handshake expects, which goes no further. Others are messages like any.
func (s *session) await(i int, step *step) error {
	limit := time.Duration(step.Timeout)
	s.until = time.Now().Add(limit)
	defer func() { s.until = time.Time{} }()
	var doubt error
	for {
		m, err := s.read()
		if isTimeout(err) {
			why := end(paceBackoff, "handshake[%d]: nothing that it expects has come within %s", i, limit)
			if doubt != nil {
				why.err = fmt.Errorf("%w; its expression failed: %w", why.err, doubt)
			}
			return why
		}
		if err != nil {
			return err
		}
		values := terms{Msg: parse(m.data), Resume: s.memory.values()}
		if !step.Fatal.Empty() {
			if fatal, err := step.Fatal.Eval(values); err == nil && fatal {
				return end(paceNever, "handshake[%d]: the server has sent what its fatal speaks of; see secrets, headers and auth", i)
			}
		}
		expected, err := step.Expect.Eval(values)
		if err != nil {
			doubt = err
		}
		if err := s.take(m, expected); err != nil {
			return err
		}
		if expected {
			return nil
		}
	}
}

// take does what a message brings with it: it is handed to the sink unless it was consumed, captured from, answered, and obeyed.
func (s *session) take(m received, consumed bool) error {
	var values terms
	if s.listens {
		values = terms{Msg: parse(m.data), Resume: s.memory.values()}
	}
	if !consumed {
		if err := s.pass(m, values); err != nil {
			return err
		}
	}
	if !s.listens {
		return nil
	}
	if s.memory.capture(values, s.seq) {
		values.Resume = s.memory.values()
		if s.resumed {
			s.gap = nil // the server goes on where it was asked to
		}
	}
	if r := s.spec.Reply; r != nil && s.holds("reply.when", r.When, values) {
		if err := s.say(r.Send, values); err != nil {
			return err
		}
	}
	for i, c := range s.spec.Control {
		if s.holds(fmt.Sprintf("control[%d].when", i), c.When, values) {
			if err := s.obey(i, c.Do); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds tells whether a condition does. One that fails is about messages of another sort, most likely; it is said once for each connection.
func (s *session) holds(field string, x condition, values terms) bool {
	so, err := x.Eval(values)
	if err != nil {
		s.doubt(field, err)
	}
	return so
}

// doubt says that an expression fails, once for each connection.
func (s *session) doubt(field string, err error) {
	if !s.doubted {
		s.doubted = true
		s.logged().Warn("an expression fails; no other is told of on this connection", "field", field, "err", err)
	}
}

// obey does what a message asks for. An error ends the connection.
func (s *session) obey(i int, do string) error {
	switch do {
	case doResubscribe:
		return s.subscribe()
	case doFatal:
		return end(paceNever, "control[%d]: the server has sent what it calls fatal", i)
	case doNewSession:
		s.memory.forget()
		s.hangUp(websocket.CloseNormalClosure)
		return end(paceBackoff, "control[%d]: the server has ended the session", i)
	}
	s.hangUp(s.spec.CloseOnHandover)
	return end(paceBackoff, "control[%d]: the server has asked to connect again", i)
}

// missed notes since when something may have been missed, after a connection.
func (h *hold) missed(s *session, why *ended) {
	h.memory.lost()
	if h.gap != nil {
		return // that of before is not over: nothing has shown that the session was resumed
	}
	h.gap = &resources.Gap{From: time.Now(), Reason: why.Error()}
	if why.state == resources.StateSilent {
		h.gap.From = s.heard
	}
}

// tellGap tells the sink that something may have been missed until now.
func (s *session) tellGap() error {
	gap := *s.gap
	gap.To = time.Now()
	s.meter.Miss(Kind, gap)
	if s.spec.EmitGaps {
		gap.From, gap.To = gap.From.UTC(), gap.To.UTC()
		data, err := resources.EncodeJSON(gap)
		if err != nil {
			return err
		}
		m := s.message(data, false)
		m.Type = "drm.websocket.gap"
		if err := s.buffer.push(s.ctx, m); err != nil {
			return err
		}
	}
	s.gap = nil
	return nil
}
