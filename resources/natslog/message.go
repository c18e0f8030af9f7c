package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/events"
)

// message is one of a stream, as the server tells of it.
type message struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Header  []byte    `json:"hdrs"` // as on the wire
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"` // when it was stored

	header nats.Header
}

// question is what the server is asked for: the message of a sequence, or the first from there on whose subject is such.
type question struct {
	Seq  uint64 `json:"seq"`
	Next string `json:"next_by_subj,omitempty"`
}

// get asks the stream's leader for a message; nil if there is none.
func (s *Stream) get(ctx context.Context, nc *nats.Conn, q question) (*message, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	reply, err := nc.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+s.spec.Stream, body)
	if err != nil {
		return nil, fmt.Errorf("read message %d of stream %s: %w", q.Seq, s.spec.Stream, late(ctx, err))
	}
	var answer struct {
		Message *message            `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	err = json.Unmarshal(reply.Data, &answer)
	switch {
	case err == nil && answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, nil
	case err == nil && answer.Error != nil:
		err = answer.Error
	case err == nil && answer.Message == nil:
		err = errors.New("the answer has neither message nor error")
	case err == nil && len(answer.Message.Header) > 0:
		answer.Message.header, err = nats.DecodeHeadersMsg(answer.Message.Header)
	}
	if err != nil {
		return nil, fmt.Errorf("read message %d of stream %s: %w", q.Seq, s.spec.Stream, err)
	}
	return answer.Message, nil
}

// following returns the first message of the subjects from a sequence on; nil if there is none.
func (s *Stream) following(ctx context.Context, nc *nats.Conn, seq uint64) (first *message, err error) {
	subjects := s.spec.Subjects
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	for _, subject := range subjects {
		m, err := s.get(ctx, nc, question{Seq: seq, Next: subject})
		if err != nil {
			return nil, err
		}
		if m != nil && (first == nil || m.Seq < first.Seq) {
			first = m
		}
	}
	return first, nil
}

// Get returns an event again by its ref; events.ErrGone when it is not in the stream any more.
func (s *Stream) Get(ctx context.Context, ref string) (events.Event, error) {
	_, _, at, err := events.ParseRef(ref)
	if err != nil {
		return events.Event{}, err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	nc, err := s.conn.Get(ctx)
	if err != nil {
		return events.Event{}, err
	}
	m, err := s.get(ctx, nc, question{Seq: uint64(at.Rev)})
	if err != nil {
		return events.Event{}, err
	}
	if m != nil {
		if e := s.event(m); e.Ref() == ref {
			return e, nil
		}
	}
	return events.Event{}, fmt.Errorf("read message %d of stream %s: %w", at.Rev, s.spec.Stream, events.ErrGone)
}

// contentEvent is the content type of a message that is a CloudEvent as a whole.
const contentEvent = "application/cloudevents+json"

// event makes an event of a message. Its ID is what the publisher called it: by the header that JetStream itself tells duplicates by, or as a
// CloudEvent; else one of stream, sequence and time, which no other message has, not even one of a stream that is made anew.
func (s *Stream) event(m *message) events.Event {
	id, content := m.header.Get(jetstream.MsgIDHeader), ""
	attributes := map[string]string{}
	for name, values := range m.header {
		name = strings.ToLower(name)
		if text, err := url.PathUnescape(values[0]); err == nil && strings.HasPrefix(name, "ce-") {
			attributes[name[len("ce-"):]] = text
		} else if name == "content-type" {
			content = values[0]
		}
	}
	if id == "" {
		id = attributes["id"]
	}
	var whole struct {
		ID string `json:"id"`
	}
	if id == "" && strings.HasPrefix(content, contentEvent) && json.Unmarshal(m.Data, &whole) == nil {
		id = whole.ID
	}
	if id == "" {
		id = fmt.Sprintf("%s/%d/%d", s.spec.Stream, m.Seq, m.Time.UnixNano())
	}
	id, data := events.IDOf(id), m.Data
	if attributes["specversion"] != "" {
		data = nil // the message is the data of an event, not one itself
	}
	e := events.Of(events.TopicOf(m.Subject), id, int64(m.Seq), data)
	delete(attributes, "id")
	if attributes["specversion"] != "" {
		e.Data, e.ContentType = m.Data, content
		for name, text := range attributes {
			_ = e.Set(name, text) // what can't be read is left out: whatever a message is, it is an event
		}
	}
	if e.Time.IsZero() {
		e.Time = m.Time
	}
	return e
}
