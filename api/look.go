package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/events"
)

const (
	lookStandard = 20
	lookMost     = 1000
	// maxLooking is how many requests look at topics at a time: each lists all keys of one.
	maxLooking  = 2
	lookTimeout = 20 * time.Second
)

// excerptAnswer is a part of a topic, in the order of the log. Next, if there are others after it, is to be asked for as after.
type excerptAnswer struct {
	Items []events.Event `json:"items"`
	Next  string         `json:"next,omitempty"`
}

// look tells the last events of a topic, or those after a position. It reads etcd, for longer than the loop is asked, and so has places of its own.
func (s *server) look(w http.ResponseWriter, r *http.Request) {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, problem{http.StatusTooManyRequests, "others look at topics here; try again in a second, or ask another node"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookTimeout)
	defer cancel()
	answer, err := s.excerpt(r.WithContext(ctx))
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.tell(w, http.StatusOK, answer)
}

func (s *server) excerpt(r *http.Request) (*excerptAnswer, error) {
	q, err := query(r, "after", "limit")
	if err != nil {
		return nil, err
	}
	topic, limit := r.PathValue("topic"), lookStandard
	if err := events.CheckTopic(topic); err != nil {
		return nil, badRequest("%v", err)
	}
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > lookMost {
			return nil, badRequest("limit is %q; it must be a number from 1 to %d", text, lookMost)
		}
	}
	var after *events.Position
	if q.Has("after") {
		at, err := events.ParsePosition(q.Get("after"))
		if err != nil {
			return nil, badRequest("%v", err)
		}
		after = &at
	}
	found, err := s.Look(r.Context(), topic, after, limit)
	if err != nil {
		return nil, err
	}
	answer := &excerptAnswer{Items: append([]events.Event{}, found.Events...)}
	if n := len(found.Events); found.More && n > 0 {
		answer.Next = found.Events[n-1].At.String()
	}
	return answer, nil
}
