package websocket

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

var errNoID = errors.New("it gives nothing")

// listens tells whether messages are read for expressions.
func (s *spec) listens() bool {
	return len(s.Handshake)+len(s.Control) > 0 || s.Resume != nil || s.Reply != nil ||
		!s.Filter.Empty() || !s.Transform.Empty() || !s.ID.Empty()
}

// pass hands a message to the sink, in the form that the spec wants, if it wants it. One on which an expression fails is dropped.
func (s *session) pass(m received, values terms) error {
	if !s.spec.Filter.Empty() {
		wanted, err := s.spec.Filter.Eval(values)
		if err != nil {
			s.unfit("filter", err)
		}
		if !wanted {
			return nil
		}
	}
	if !s.spec.Transform.Empty() {
		made, err := s.spec.Transform.Eval(values)
		if err == nil {
			m, err = asText(made)
		}
		if err != nil {
			s.unfit("transform", err)
			return nil
		}
	}
	id := ""
	if !s.spec.ID.Empty() {
		found, err := s.spec.ID.Eval(values)
		if err != nil || found == nil || found == "" {
			s.unfit("id", cmp.Or(err, errNoID))
			return nil
		}
		id = fmt.Sprint(found)
	}
	message := s.message(m.data, !m.text)
	if id != "" {
		message.ID = id
	}
	return s.buffer.push(s.ctx, message)
}

// unfit drops a message on which an expression fails.
func (s *session) unfit(field string, err error) {
	s.meter.Drop(Kind, resources.DropExpression, 1)
	s.doubt(field, err)
}

// asText makes a message of what an expression gives: a string as it is, everything else as JSON.
func asText(made any) (received, error) {
	if text, isText := made.(string); isText {
		return received{[]byte(text), true}, nil
	}
	data, err := resources.EncodeJSON(made)
	return received{data, true}, err
}

// message wraps what was received.
func (h *hold) message(data []byte, binary bool) sink.Message {
	h.seq++
	return sink.Message{
		ID:     strconv.FormatInt(h.epoch, 10) + "-" + strconv.FormatUint(h.seq, 10),
		Source: "drm/" + h.key.String(),
		Type:   "drm.websocket.message",
		Time:   time.Now(),
		Data:   data,
		Binary: binary,
		Epoch:  h.epoch,
		Seq:    h.seq,
		Node:   h.node,
	}
}
