package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
)

const (
	// maxPublishing is how many requests publish at a time. More would only wait for etcd, with their bodies in memory.
	maxPublishing = 64
	// publishTimeout is how long etcd may take.
	publishTimeout = 5 * time.Second
	// fullPause is how many seconds a publisher is asked to wait while its topic is full.
	fullPause = "5"
	// maxBatch is how many bytes a batch of events may have.
	maxBatch = 8 << 20
)

// receiptAnswer is what became of one event.
type receiptAnswer struct {
	ID        string `json:"id"`
	Position  string `json:"position,omitempty"`
	Duplicate bool   `json:"duplicate"`
	Error     string `json:"error,omitempty"`
}

// batchAnswer is what became of a batch; Error says that not all of it was published.
type batchAnswer struct {
	Error  string          `json:"error,omitempty"`
	Events []receiptAnswer `json:"events"`
}

// publish answers when etcd has committed what is in the body.
func (s *server) publish(w http.ResponseWriter, r *http.Request) {
	select {
	case s.publishing <- struct{}{}:
		defer func() { <-s.publishing }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, problem{http.StatusTooManyRequests, "this node publishes as much as it can; try again in a second, or ask another node"})
		return
	}
	if s.Full != nil {
		if err := s.Full(r.Context(), r.PathValue("topic")); err != nil {
			w.Header().Set("Retry-After", fullPause)
			s.refuse(w, problem{http.StatusTooManyRequests, err.Error()})
			return
		}
	}
	es, batch, err := read(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), publishTimeout)
	defer cancel()
	receipts := s.Publish(ctx, es)
	if batch {
		s.tellBatch(w, receipts)
		return
	}
	status, answer := s.receipt(receipts[0])
	if answer.Error != "" {
		s.tell(w, status, struct {
			Error string `json:"error"`
			ID    string `json:"id,omitempty"`
		}{answer.Error, answer.ID})
		return
	}
	s.tell(w, status, answer)
}

func (s *server) tellBatch(w http.ResponseWriter, receipts []events.Receipt) {
	worst, failed := http.StatusOK, 0
	answer := batchAnswer{Events: []receiptAnswer{}}
	for _, r := range receipts {
		status, told := s.receipt(r)
		answer.Events = append(answer.Events, told)
		if told.Error != "" {
			failed++
			worst = max(worst, status)
		}
	}
	if failed > 0 {
		answer.Error = fmt.Sprintf("%d of %d events were not published; each says why", failed, len(receipts))
	}
	s.tell(w, worst, answer)
}

// receipt returns what is told of one event, and the status if it is alone.
func (s *server) receipt(r events.Receipt) (int, receiptAnswer) {
	answer := receiptAnswer{ID: r.ID, Duplicate: r.Duplicate}
	if r.Err == nil {
		answer.Position = r.At.String()
		if r.Duplicate {
			return http.StatusOK, answer
		}
		return http.StatusCreated, answer
	}
	answer.Error = r.Err.Error()
	switch {
	case errors.Is(r.Err, events.ErrInvalid):
		return http.StatusBadRequest, answer
	case errors.Is(r.Err, events.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, answer
	case errors.Is(r.Err, events.ErrConflict):
		return http.StatusConflict, answer
	case !errors.Is(r.Err, cluster.ErrRefused):
		answer.Error += "; it may have been published all the same: say it again with this id"
	}
	s.Log.Warn("event not published", "id", r.ID, "err", r.Err)
	return http.StatusServiceUnavailable, answer
}

// read reads the events of a request. What a node does not understand is refused before anything is written.
func read(w http.ResponseWriter, r *http.Request) (es []events.Event, batch bool, err error) {
	if _, err := query(r); err != nil {
		return nil, false, err
	}
	topic := r.PathValue("topic")
	if err := events.CheckTopic(topic); err != nil {
		return nil, false, badRequest("%v", err)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, false, problem{http.StatusUnsupportedMediaType, fmt.Sprintf("the body is encoded as %s; send it as it is", encoding)}
	}
	format := mediaType(r)
	batch = format == typeBatch
	limit := int64(events.MaxBytes)
	if batch {
		limit = maxBatch
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		return nil, false, problem{http.StatusRequestEntityTooLarge, "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes; publish a reference to what is large"}
	case err != nil:
		return nil, false, badRequest("read the body: %v", err)
	}
	es, err = parse(format, r.Header, body)
	if err != nil {
		return nil, false, err
	}
	key := r.Header.Get("Idempotency-Key")
	for i := range es {
		es[i].Topic = topic
		if !batch {
			id := es[i].ID
			if id != "" && key != "" && id != key {
				return nil, false, badRequest("the event's id is %q and the header Idempotency-Key %q; give one of them, or the same", id, key)
			}
			es[i].ID = cmp.Or(id, key)
		}
		es[i].ID = events.IDOf(es[i].ID)
	}
	return es, batch, nil
}
