package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
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
	dec := json.NewDecoder(bytes.NewReader(e.Data))
	dec.UseNumber()
	if err := dec.Decode(&t.Data); err != nil || !ended(dec) {
		t.Data = string(e.Data)
		return t
	}
	t.Data = numbers(t.Data)
	return t
}

// ended tells that nothing follows what was decoded.
func ended(dec *json.Decoder) bool {
	_, err := dec.Token()
	return err == io.EOF
}

// numbers makes of JSON's numbers such as can be computed with; whole ones keep all their digits.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String() // beyond what a float holds
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
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

// statuses are some status codes of HTTP: one, such as "429", or a hundred, such as "5xx".
type statuses struct{ first, last int }

// UnmarshalText reads them.
func (s *statuses) UnmarshalText(b []byte) error {
	digits, hundred := strings.CutSuffix(string(b), "xx")
	n, err := strconv.Atoi(digits)
	*s = statuses{n, n}
	if hundred {
		*s = statuses{n * 100, n*100 + 99}
	}
	if err != nil || s.first < 200 || s.last > 599 {
		return fmt.Errorf(`read status %q: write one from 200 to 599 as "429", or a hundred as "5xx"`, b)
	}
	return nil
}

// retries tells whether an event that was answered so is sent again.
func (r *retrySpec) retries(status int) bool {
	return slices.ContainsFunc(r.OnStatus, func(s statuses) bool { return s.first <= status && status <= s.last })
}
