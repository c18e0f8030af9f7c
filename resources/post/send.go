package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/resources"
)

const (
	maxAnswer = 64 << 10    // what is read of an answer at the most, so that its connection can be used again
	maxLinger = time.Second // for how long; its status has already said what matters
)

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most its first 64 KiB, and what came of it within a second
}

// Error tells why there is no answer.
type Error struct {
	URL string // without query
	Err error  // no secrets
	// Sent tells that a connection was there to send the request on: part of it, or all, may have arrived. If it is
	// not set, nothing was sent.
	Sent bool
}

// Error names the URL and what happened.
func (e *Error) Error() string { return fmt.Sprintf("call %s: %v", e.URL, e.Err) }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// request is one request, with all its headers.
type request struct {
	method, url string
	header      http.Header
	body        []byte
}

// do makes a request once, and returns when the answer's status is known and some of its body was read.
func (p *Poster) do(ctx context.Context, r request) (*Answer, error) {
	resp, stop, err := p.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer stop()
	defer resp.Body.Close()
	answer := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if answer.Status == http.StatusSwitchingProtocols {
		return answer, nil // what follows is no body, and does not end with the context
	}
	timer := time.AfterFunc(maxLinger, stop)
	defer timer.Stop()
	answer.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // cut short or not
	return answer, nil
}

// send makes a request once, and returns when the answer's status is known. Its body is to be closed; stop cuts it off, and is to
// be called in the end.
func (p *Poster) send(ctx context.Context, r request) (resp *http.Response, stop context.CancelFunc, err error) {
	if err := resources.Cause(ctx); err != nil {
		return nil, nil, p.failed(r.url, err, false)
	}
	answered, stop := context.WithCancel(ctx)
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(answered, trace), r.method, r.url, nil)
	if err != nil {
		stop()
		return nil, nil, p.failed(r.url, err, false)
	}
	req.Header = r.header
	if r.method == http.MethodPost {
		req.Body, req.ContentLength = &body{ctx: ctx, rest: bytes.NewReader(r.body)}, int64(len(r.body))
	}
	if resp, err = p.transport.RoundTrip(req); err != nil {
		stop()
		return nil, nil, p.failed(r.url, err, sent.Load())
	}
	return resp, stop, nil
}

// failed makes an Error; that of a malformed URL would hold it as a whole, and with it its secrets.
func (p *Poster) failed(to string, err error, sent bool) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	return &Error{URL: resources.RedactURL(to), Err: resources.ExplainTLS(err), Sent: sent}
}

// body is the body of a request. It gives nothing any more when the context's Err, which may look at a clock, is not nil,
// and so fences a process that wakes up from a pause: a request without the whole body is none. Being no type that net/http
// knows, it is not rewound, and an empty one not left out: such requests may be sent again.
type body struct {
	ctx  context.Context
	rest *bytes.Reader
}

// Read implements io.Reader.
func (b *body) Read(to []byte) (int, error) {
	if err := resources.Cause(b.ctx); err != nil {
		return 0, err
	}
	return b.rest.Read(to)
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }
