package webhook

import (
	"fmt"
	"slices"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// terms are what the expressions of a spec may name.
type terms struct {
	ID         string            `expr:"id"`
	Topic      string            `expr:"topic"`
	Type       string            `expr:"type"`
	Source     string            `expr:"source"`
	Subject    string            `expr:"subject"`
	Schema     string            `expr:"schema"`
	Time       time.Time         `expr:"time"`
	Extensions map[string]string `expr:"extensions"`
	Data       any               `expr:"data"` // as JSON has it; text when it is none
}

func termsOf(e *events.Event) terms {
	t := terms{
		ID: e.ID, Topic: e.Topic, Type: e.Type, Source: e.Source, Subject: e.Subject, Schema: e.Schema,
		Time: e.Time, Extensions: e.Extensions,
	}
	var err error
	if t.Data, err = resources.ParseJSON(e.Data); err != nil {
		t.Data = string(e.Data)
	}
	return t
}

// wants tells whether an event is to be delivered. An error is about the filter and this very event.
func (s *spec) wants(e *events.Event) (bool, error) {
	if len(s.EventTypes) > 0 && !slices.ContainsFunc(s.EventTypes, func(g string) bool { return events.Match(g, e.Type) }) {
		return false, nil
	}
	if s.Filter.Empty() {
		return true, nil
	}
	ok, err := s.Filter.Eval(termsOf(e))
	if err != nil {
		return false, fmt.Errorf("evaluate filter: %w", err)
	}
	return ok, nil
}

// orderOf returns what an event has in common with those that it must not overtake, for an ordering by key.
func (s *spec) orderOf(e *events.Event) (string, error) {
	key, err := s.OrderingKey.Eval(termsOf(e))
	if err != nil {
		return "", fmt.Errorf("evaluate ordering_key: %w", err)
	}
	return fmt.Sprint(key), nil
}

// retries tells whether an event that was answered so is sent again.
func (r *retrySpec) retries(status int) bool {
	return resources.HasStatus(r.OnStatus, status)
}
