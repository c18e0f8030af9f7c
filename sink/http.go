package sink

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

const (
	contentOne   = "application/cloudevents+json; charset=utf-8"
	contentBatch = "application/cloudevents-batch+json; charset=utf-8"
)

// poster sends events by HTTP POST in CloudEvents' structured mode, one or a batch a request.
type poster struct {
	*post.Poster
	spec    *httpSpec
	meter   *resources.Meter
	trouble func(error)
}

// Send implements Sink. A message is refused for good by the answers 400, 413, 415 and 422, which are about what it
// says; every other failure, redirects and 401 to 404 among them, can be mended at the receiver and is tried again. A batch
// is taken or refused as a whole.
func (p *poster) Send(ctx context.Context, messages []Message) error {
	var refused *RefusedError
	for batch := range slices.Chunk(messages, p.spec.Batch) {
		body, err := p.body(batch)
		if err == nil {
			backoff := resources.Backoff{Initial: time.Duration(p.spec.Retry.Initial), Max: time.Duration(p.spec.Retry.Max)}
			err = persist(ctx, backoff, p.trouble, func() error { return p.attempt(ctx, body, batch[0]) })
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return err
		default:
			if refused == nil {
				refused = &RefusedError{}
			}
			refused.Messages += len(batch)
			refused.Err = err
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

func (p *poster) body(batch []Message) ([]byte, error) {
	if p.spec.Batch == 1 {
		return resources.EncodeJSON(envelope(batch[0]))
	}
	events := make([]resources.CloudEvent, len(batch))
	for i, m := range batch {
		events[i] = envelope(m)
	}
	return resources.EncodeJSON(events)
}

// attempt makes one request and measures it.
func (p *poster) attempt(ctx context.Context, body []byte, first Message) error {
	start := time.Now()
	err := p.request(ctx, body, first)
	p.meter.Send(resources.SinkHTTP, time.Since(start), err == nil)
	return err
}

func (p *poster) request(ctx context.Context, body []byte, first Message) error {
	ctx, cancel := resources.WithTimeout(ctx, time.Duration(p.spec.Timeout),
		fmt.Errorf("no answer within %s", time.Duration(p.spec.Timeout)))
	defer cancel()
	header := http.Header{}
	header.Set("Content-Type", contentOne)
	if p.spec.Batch > 1 {
		header.Set("Content-Type", contentBatch)
	}
	header.Set(resources.FenceHeader, strconv.FormatInt(first.Epoch, 10))
	answer, err := p.Post(ctx, post.Message{ID: first.ID, Header: header, Body: body})
	if err != nil || answer.Status/100 == 2 {
		return err
	}
	return &answerError{
		target:     resources.RedactURL(p.spec.URL),
		status:     answer.Status,
		retryAfter: resources.RetryAfter(answer.Header, time.Now(), time.Hour),
	}
}

// answerError is an answer other than 2xx.
type answerError struct {
	target     string
	status     int
	retryAfter time.Duration
}

// Error names the target and the status.
func (e *answerError) Error() string {
	return fmt.Sprintf("call %s: it answered %d %s", e.target, e.status, http.StatusText(e.status))
}

// refuses tells whether the answer is about this very message, so that sending it again is useless.
func (e *answerError) refuses() bool {
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return true
	}
	return false
}
