package webhook

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// knowledge is what a receiver says of an event.
type knowledge int

const (
	unknown knowledge = iota // it gave no answer, or none of those that the spec explains
	seen
	unseen
)

// probe asks the receiver whether it has seen an event. With unknown comes why.
func (s *sender) probe(ctx context.Context, e events.Event, epoch int64) (knowledge, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	h := http.Header{}
	s.about(h, e.Extensions["traceparent"], epoch)
	url := strings.ReplaceAll(s.spec.Probe.URL, "{id}", e.ID)
	answer, err := s.poster.Ask(ctx, http.MethodGet, url, h)
	switch {
	case err != nil:
		return unknown, fmt.Errorf("probe %s: %w", e.ID, err)
	case slices.Contains(s.spec.Probe.Seen, answer.Status):
		return seen, nil
	case slices.Contains(s.spec.Probe.Unseen, answer.Status):
		return unseen, nil
	}
	return unknown, fmt.Errorf("probe %s: %s answered %d %s, which is neither in probe.seen nor in probe.unseen",
		e.ID, resources.RedactURL(url), answer.Status, http.StatusText(answer.Status))
}

// Whether to ask a receiver for leave.
const (
	validateNone    = "none"
	validateOptions = "options" // as the CloudEvents specification for webhooks has it, section 4
)

// Headers of the question and its answer.
const (
	headerOrigin        = "Webhook-Request-Origin"
	headerAllowedOrigin = "Webhook-Allowed-Origin"
	headerAllowedRate   = "Webhook-Allowed-Rate" // requests a minute, or *
)

// validate asks the receiver for leave to send it events. It returns how long to leave between two at the least: 0 if the
// receiver doesn't say.
func (s *sender) validate(ctx context.Context, epoch int64) (time.Duration, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	h := http.Header{}
	s.about(h, "", epoch)
	h.Set(headerOrigin, s.origin)
	answer, err := s.poster.Ask(ctx, http.MethodOptions, s.spec.URL, h)
	if err != nil {
		return 0, fmt.Errorf("ask for leave to send: %w", err)
	}
	allowed := answer.Header.Get(headerAllowedOrigin)
	switch {
	case answer.Status/100 != 2:
		return 0, fmt.Errorf("ask for leave to send: OPTIONS was answered with %d %s; a receiver that knows nothing of it needs validate to be \"none\"",
			answer.Status, http.StatusText(answer.Status))
	case allowed != "*" && !strings.EqualFold(allowed, s.origin):
		return 0, fmt.Errorf("ask for leave to send: the receiver does not allow it to %s (header %s)", s.origin, headerAllowedOrigin)
	}
	rate, err := strconv.Atoi(answer.Header.Get(headerAllowedRate))
	if err != nil || rate < 1 {
		return 0, nil
	}
	return time.Minute / time.Duration(rate), nil
}
