package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// httpSpec is {"type": "http", …}.
type httpSpec struct {
	remote
	post.Target
}

func defaultHTTP() *httpSpec {
	return &httpSpec{remote: remotely(resources.SinkHTTP, 1), Target: post.DefaultTarget()}
}

func (h *httpSpec) check() error {
	if h.Format == formatRaw && h.Batch.Max > 1 {
		return resources.Wrong("batch.max", `is above 1, but the format is "raw": only CloudEvents can be told apart in one request`)
	}
	return h.Target.Check(nil, "Content-Type")
}

func (h *httpSpec) open(set *Set) target {
	return &poster{set.clients.Open(&h.Target, resources.Network{}, 0), h}
}

// poster sends messages by HTTP POST, as CloudEvents in structured mode, one or a batch a request.
type poster struct {
	poster *post.Poster
	spec   *httpSpec
}

func (p *poster) close() {}

// send makes one request. A message is refused for good by the answers 400, 413, 415 and 422, which are about what it says; every
// other failure, redirects and 401 to 404 among them, can be mended at the receiver. A batch is taken or refused as a whole.
func (p *poster) send(ctx context.Context, batch []Message) error {
	content, body, err := p.body(batch)
	if err != nil {
		return &refusal{batch, err}
	}
	ctx, cancel := resources.WithTimeout(ctx, time.Duration(p.spec.Timeout), p.spec.late())
	defer cancel()
	header := http.Header{}
	header.Set("Content-Type", content)
	header.Set(resources.FenceHeader, strconv.FormatInt(batch[0].Epoch, 10))
	answer, err := p.poster.Post(ctx, post.Message{ID: batch[0].ID, Header: header, Body: body})
	if err != nil || answer.Status/100 == 2 {
		return err
	}
	failed := &answerError{
		target:     resources.RedactURL(p.spec.URL),
		status:     answer.Status,
		retryAfter: resources.RetryAfter(answer.Header, time.Now(), time.Hour),
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &refusal{batch, failed}
	}
	return failed
}

func (p *poster) body(batch []Message) (content string, body []byte, err error) {
	if p.spec.Batch.Max == 1 {
		return p.spec.encode(batch[0])
	}
	if body, err = appendEvents([]byte{'['}, batch, ','); err != nil {
		return "", nil, err
	}
	body[len(body)-1] = ']'
	return contentBatch, body, nil
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

// retryAfter is how long the target asked to be left alone.
func retryAfter(err error) time.Duration {
	if answer := (*answerError)(nil); errors.As(err, &answer) {
		return answer.retryAfter
	}
	return 0
}
