package redis

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// item is one thing that came in: a message of a channel, an entry of a stream, or a gap.
type item struct {
	at      time.Time
	channel string // or the key of the stream
	pattern string
	id      string // of an entry
	data    []byte
	gap     *resources.Gap
}

// terms are what the expressions of a spec may name.
type terms struct {
	Channel string    `expr:"channel"` // or the key of the stream
	Pattern string    `expr:"pattern"` // that the channel matched, of mode pattern
	ID      string    `expr:"id"`      // of an entry, of mode stream
	Time    time.Time `expr:"time"`    // when it came in
	Data    any       `expr:"data"`    // as JSON has it; text when it is none
}

func termsOf(i *item) terms {
	t := terms{Channel: i.channel, Pattern: i.pattern, ID: i.id, Time: i.at}
	var err error
	if t.Data, err = resources.ParseJSON(i.data); err != nil {
		t.Data = string(i.data)
	}
	return t
}

// wants tells whether an item is to be passed on. An error is about the filter and this very item.
func (s *spec) wants(i *item) (bool, error) {
	if s.Filter.Empty() {
		return true, nil
	}
	ok, err := s.Filter.Eval(termsOf(i))
	if err != nil {
		return false, fmt.Errorf("evaluate filter: %w", err)
	}
	return ok, nil
}

// shape returns what is to be passed on of an item: what transform makes of it, or its data.
func (s *spec) shape(i *item) ([]byte, error) {
	if s.Transform.Empty() {
		return i.data, nil
	}
	value, err := s.Transform.Eval(termsOf(i))
	if err != nil {
		return nil, fmt.Errorf("evaluate transform: %w", err)
	}
	if text, ok := value.(string); ok {
		return []byte(text), nil
	}
	return resources.EncodeJSON(value)
}

// messages makes messages of items: those that the spec wants, in its shape. One goroutine at a time calls it.
func (h *hold) messages(items []item) []sink.Message {
	made := make([]sink.Message, 0, len(items))
	for i := range items {
		if items[i].gap != nil {
			if h.spec.EmitGaps {
				made = append(made, h.gapMessage(&items[i]))
			}
			continue
		}
		ok, err := h.spec.wants(&items[i])
		var data []byte
		if ok && err == nil {
			data, err = h.spec.shape(&items[i])
		}
		switch {
		case err != nil:
			h.meter.Drop(Kind, resources.DropExpression, 1)
			h.logged().Warn("message dropped", "subject", items[i].channel, "err", err)
		case ok:
			made = append(made, h.message(&items[i], data))
		}
	}
	return made
}

// message wraps what was received. An entry keeps the id that redis gave it: it is the same in every attempt, of every holder.
func (h *hold) message(i *item, data []byte) sink.Message {
	m := h.envelope(i)
	m.Type, m.Subject, m.Data, m.Binary = "drm.redis.message", i.channel, data, !utf8.Valid(data)
	if m.ID = i.id; m.ID == "" {
		m.ID = fmt.Sprintf("%d-%d", m.Epoch, m.Seq)
	}
	return m
}

// gapMessage tells the receiver of a gap.
func (h *hold) gapMessage(i *item) sink.Message {
	m := h.envelope(i)
	m.Type = "drm.redis.gap"
	m.ID = fmt.Sprintf("gap-%d-%d", m.Epoch, m.Seq)
	g := *i.gap
	g.From, g.To = g.From.UTC(), g.To.UTC()
	m.Data, _ = resources.EncodeJSON(g) // two times and a text: never fails
	return m
}

// envelope numbers a message and says where it comes from.
func (h *hold) envelope(i *item) sink.Message {
	h.seq++
	return sink.Message{Source: "drm/" + h.claim.Key.String(), Time: i.at, Epoch: h.claim.Epoch, Seq: h.seq, Node: h.claim.Node}
}
