package sink

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// eventSpec is {"type": "event", …}.
type eventSpec struct {
	remote

	Topic string `json:"topic"` // may hold {kind} and {id}
}

func defaultEvent() *eventSpec { return &eventSpec{remote: remotely(resources.SinkEvent, 100)} }

func (e *eventSpec) check() error {
	if e.Topic == "" {
		return resources.Wrong("topic", "is missing; it names the topic to publish to")
	}
	if e.Format == formatRaw {
		return resources.Wrong("format", `is "raw", but an event is what it is; leave it out`)
	}
	if err := checkFill("topic", e.Topic); err != nil {
		return err
	}
	if err := events.CheckTopic(fill(e.Topic, Message{Source: "drm/kind/id"})); err != nil {
		return resources.Wrong("topic", err.Error())
	}
	return nil
}

func (e *eventSpec) open(set *Set) target { return &topic{set, e} }

var errNoEvents = errors.New("publish events: this program has not been given a log of events")

// topic publishes messages as events, which webhooks deliver.
type topic struct {
	set  *Set
	spec *eventSpec
}

func (t *topic) close() {}

func (t *topic) send(ctx context.Context, batch []Message) error {
	ctx, cancel := resources.WithTimeout(ctx, time.Duration(t.spec.Timeout), t.spec.late())
	defer cancel()
	if t.set.full != nil {
		if err := t.set.full(ctx, fill(t.spec.Topic, batch[0])); err != nil {
			return err
		}
	}
	all := make([]events.Event, len(batch))
	for i, m := range batch {
		all[i] = event(fill(t.spec.Topic, m), m)
	}
	return t.set.announce(ctx, all, batch)
}

// announce publishes events, each made of the message beside it. What can't be published, ever, is refused.
func (s *Set) announce(ctx context.Context, all []events.Event, batch []Message) error {
	if s.publish == nil {
		return errNoEvents
	}
	var refused *refusal
	for i, r := range s.publish(ctx, all) {
		switch {
		case r.Err == nil:
		case errors.Is(r.Err, events.ErrInvalid), errors.Is(r.Err, events.ErrTooLarge), errors.Is(r.Err, events.ErrConflict):
			if refused == nil {
				refused = &refusal{}
			}
			refused.messages = append(refused.messages, batch[i])
			refused.err = fmt.Errorf("publish message %s of %s: %w", batch[i].ID, batch[i].Source, r.Err)
		default:
			return fmt.Errorf("publish to topic %s: %w", all[i].Topic, r.Err) // those that were published are duplicates the next time
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// event makes an event of a message. Its id tells the resource, too: one topic may be fed by many.
func event(topic string, m Message) events.Event {
	sum := sha256.Sum256([]byte(m.Source))
	source := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:12])
	e := events.Event{
		Topic: topic, ID: events.IDOf(source + "-" + m.ID), Type: m.Type, Source: m.Source, Subject: m.Subject, Time: m.Time,
		ContentType: contentOf(m), Data: m.Data, Extensions: map[string]string{},
	}
	for _, x := range extensions(m) {
		e.Extensions[x.name] = x.value
	}
	return e
}

// bury publishes messages that were given up, with the reason, and goes on until etcd has them or ctx ends. Left are those that can't even
// be published.
func (s Sink) bury(ctx context.Context, lost []Message, why error) ([]Message, error) {
	all := make([]events.Event, len(lost))
	for i, m := range lost {
		all[i] = event(s.of.DeadLetter.Topic, m)
		all[i].Extensions["drmerror"] = why.Error()
	}
	backoff := s.of.backoff()
	for ctx.Err() == nil {
		err := s.set.announce(ctx, all, lost)
		if err == nil {
			return nil, nil
		}
		if r, ok := err.(*refusal); ok { //nolint:errorlint // it is never wrapped
			return r.messages, r.err
		}
		s.trouble(fmt.Errorf("publish what was given up: %w", err))
		if err := resources.Wait(ctx, backoff.Next(0)); err != nil {
			return nil, err
		}
	}
	return nil, resources.Cause(ctx)
}
