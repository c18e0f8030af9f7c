package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/resources"
)

const (
	contentOne   = "application/cloudevents+json; charset=utf-8"
	contentBatch = "application/cloudevents-batch+json; charset=utf-8"

	maxConnsPerHost = 64      // many resources share a target: beyond this they wait for each other
	maxAnswer       = 4 << 10 // what is read of an answer, so that its connection can be used again
)

// client returns the client for the TLS settings of a spec. Clients are kept until the Set is closed; one without
// connections costs a few hundred bytes.
func (s *Set) client(spec *httpSpec) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[spec.TLS]; c != nil {
		return c
	}
	dialer := s.guard.Dialer()
	c := &http.Client{
		// A redirect turns a POST into a GET without a body and would count as delivered.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext,
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				config, err := spec.TLS.Config()
				if err != nil {
					return nil, err
				}
				return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, addr)
			},
			MaxConnsPerHost:        maxConnsPerHost,
			MaxIdleConnsPerHost:    maxConnsPerHost,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
	}
	s.clients[spec.TLS] = c
	return c
}

// post sends events by HTTP POST in CloudEvents' structured mode, one or a batch a request.
type post struct {
	spec    *httpSpec
	client  *http.Client
	meter   *resources.Meter
	trouble func(error)
}

// Send implements Sink. A message is refused for good by the answers 400, 413, 415 and 422, which are about what it
// says; every other failure, redirects and 401 to 404 among them, can be mended at the receiver and is tried again. A batch
// is taken or refused as a whole.
func (p *post) Send(ctx context.Context, messages []Message) error {
	var refused *RefusedError
	for batch := range slices.Chunk(messages, p.spec.Batch) {
		body, err := p.body(batch)
		if err == nil {
			backoff := resources.Backoff{Initial: time.Duration(p.spec.Retry.Initial), Max: time.Duration(p.spec.Retry.Max)}
			err = persist(ctx, backoff, p.trouble, func() error { return p.attempt(ctx, body, batch[0].Epoch) })
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

func (p *post) body(batch []Message) ([]byte, error) {
	var body bytes.Buffer
	if p.spec.Batch == 1 {
		err := encode(&body, envelope(batch[0]))
		return body.Bytes(), err
	}
	events := make([]event, len(batch))
	for i, m := range batch {
		events[i] = envelope(m)
	}
	err := encode(&body, events)
	return body.Bytes(), err
}

// attempt makes one request and measures it.
func (p *post) attempt(ctx context.Context, body []byte, epoch int64) error {
	start := time.Now()
	err := p.request(ctx, body, epoch)
	p.meter.Send(resources.SinkHTTP, time.Since(start), err == nil)
	return err
}

func (p *post) request(ctx context.Context, body []byte, epoch int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(p.spec.Timeout),
		fmt.Errorf("no answer within %s", time.Duration(p.spec.Timeout)))
	defer cancel()
	header, err := p.spec.Headers.Read()
	if err != nil {
		return p.failed(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.spec.URL, bytes.NewReader(body))
	if err != nil {
		return p.failed(err)
	}
	req.GetBody = nil // with it, the client might send the request twice on its own
	req.Header = header
	req.Header.Set("Content-Type", contentOne)
	if p.spec.Batch > 1 {
		req.Header.Set("Content-Type", contentBatch)
	}
	req.Header.Set(resources.FenceHeader, strconv.FormatInt(epoch, 10))
	resp, err := p.client.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = context.Cause(ctx)
		}
		return p.failed(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // cut short or not: the status says what matters
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &answerError{
		target:     resources.RedactURL(p.spec.URL),
		status:     resp.StatusCode,
		retryAfter: resources.RetryAfter(resp.Header, time.Now(), time.Hour),
	}
}

// failed tells of an attempt without an answer; the error of net/http holds the whole URL, which may hold secrets.
func (p *post) failed(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	return fmt.Errorf("post to %s: %w", resources.RedactURL(p.spec.URL), resources.ExplainTLS(err))
}

// answerError is an answer other than 2xx.
type answerError struct {
	target     string
	status     int
	retryAfter time.Duration
}

// Error names the target and the status.
func (e *answerError) Error() string {
	return fmt.Sprintf("post to %s: it answered %d %s", e.target, e.status, http.StatusText(e.status))
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
