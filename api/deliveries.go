package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/state"
)

const (
	// maxOperating is how many requests may ask about deliveries, or for them, at a time: each may wait for another node.
	maxOperating = 8
	// operateTimeout is how long a webhook's holder may take.
	operateTimeout = 10 * time.Second
	// maxChoice is how large the body of such a request may be.
	maxChoice = 64 << 10

	deliveriesStandard = 100
	deliveriesMost     = 10_000
)

// deliveriesAnswer is what became of the events of a webhook.
type deliveriesAnswer struct {
	cluster.Key
	webhook.Deliveries
	Left int `json:"left,omitempty"` // events beyond the limit
}

// decidedAnswer is what was planned, and to how many events it was done.
type decidedAnswer struct {
	*webhook.Plan
	Done int `json:"done"`
}

// operated makes a handler of a function that reads or decides about the deliveries of a webhook.
func (s *server) operated(answer func(*http.Request, string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.operating <- struct{}{}:
			defer func() { <-s.operating }()
		default:
			w.Header().Set("Retry-After", "1")
			s.refuse(w, problem{http.StatusTooManyRequests, "this node is asked about deliveries as often as it can answer; try again in a second, or ask another node"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), operateTimeout)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, maxChoice)
		key, err := checkKey(r.PathValue("kind"), r.PathValue("id"))
		switch {
		case err != nil:
			err = badRequest("%v", err)
		case key.Kind != webhook.Kind:
			err = problem{http.StatusNotFound, fmt.Sprintf("%s is of kind %s; only resources of kind %s deliver events", key, key.Kind, webhook.Kind)}
		}
		var value any
		if err == nil {
			value, err = answer(r.WithContext(ctx), key.ID)
		}
		if err != nil {
			s.refuse(w, s.explain(err, key))
			return
		}
		s.tell(w, http.StatusOK, value)
	}
}

// explain gives an error its status.
func (s *server) explain(err error, key cluster.Key) error {
	switch {
	case errors.Is(err, cluster.ErrNoResource):
		return s.unknown(key)
	case errors.Is(err, webhook.ErrNoEvent):
		return problem{http.StatusNotFound, err.Error()}
	case errors.Is(err, webhook.ErrWrong):
		return badRequest("%v", err)
	case errors.Is(err, webhook.ErrRefused):
		return problem{http.StatusConflict, err.Error()}
	case errors.Is(err, state.ErrUnanswered):
		return problem{http.StatusGatewayTimeout, fmt.Sprintf("%v; GET /v1/resources/%s says how it fares", err, key)}
	}
	return err
}

// deliveries tells what is on record of a webhook's deliveries.
func (s *server) deliveries(r *http.Request, id string) (any, error) {
	q, err := query(r, "state", "since", "limit")
	if err != nil {
		return nil, err
	}
	var states []webhook.State
	if text := q.Get("state"); text != "" {
		if states, err = webhook.ParseStates(text); err != nil {
			return nil, err
		}
	}
	var since time.Time
	if text := q.Get("since"); text != "" {
		if since, err = moment(text); err != nil {
			return nil, err
		}
	}
	limit := deliveriesStandard
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > deliveriesMost {
			return nil, badRequest("limit is %q; it must be a number from 1 to %d", text, deliveriesMost)
		}
	}
	d, err := s.Webhooks.Look(r.Context(), id)
	if err != nil {
		return nil, err
	}
	answer := deliveriesAnswer{Key: cluster.Key{Kind: webhook.Kind, ID: id}, Deliveries: d}
	answer.Left = answer.Narrow(states, since, limit)
	return answer, nil
}

// moment reads a time, or how long ago it was.
func moment(text string) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, badRequest("since is %q; write how long ago (1h) or a time (2026-11-24T08:00:00Z)", text)
	}
	return t, nil
}

// decide has a webhook's holder replay or drop events, and answers when that is on record.
func (s *server) decide(do webhook.Action) func(*http.Request, string) (any, error) {
	return func(r *http.Request, id string) (any, error) {
		if _, err := query(r); err != nil {
			return nil, err
		}
		choice, dry, err := readChoice(r.Body)
		if err != nil {
			return nil, err
		}
		plan, err := s.Webhooks.Plan(r.Context(), id, do, choice)
		if err != nil || dry {
			return decidedAnswer{Plan: plan}, err
		}
		done, err := s.Webhooks.Carry(r.Context(), plan)
		return decidedAnswer{plan, done}, err
	}
}

// readChoice reads which events are meant.
func readChoice(body io.Reader) (c webhook.Choice, dry bool, err error) {
	var said struct {
		Events []string      `json:"events"`
		All    webhook.State `json:"all"`
		After  string        `json:"after"`
		Since  string        `json:"since"`
		Dry    bool          `json:"dry_run"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil || d.More() {
		return c, false, badRequest(`the body is not {"events": […]}, {"all": …}, {"after": …} or {"since": …}, with "dry_run" if you like: %v`, err)
	}
	c.Events, c.All = said.Events, said.All
	if said.After != "" {
		at, err := events.ParsePosition(said.After)
		if err != nil {
			return c, false, badRequest("%v", err)
		}
		c.After = &at
	}
	if said.Since != "" {
		c.Since, err = moment(said.Since)
	}
	return c, said.Dry, err
}
