package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// maxURLAnswer is how much of an answer is read that holds the url.
const maxURLAnswer = 64 << 10

// answerTerms are what url_from.extract may name.
type answerTerms struct {
	Body any `expr:"body"` // as JSON has it; text when it is none
}

// callers make the requests that a spec asks for before each connection.
type callers struct {
	auth *post.Poster // knows the credentials of the handshake; nil: there are none
	url  *post.Poster // of url_from; nil: there is none
}

func (r *Runner) newCallers(s *spec, url string) *callers {
	if s.URLFrom == nil && s.Auth.Header() == "" {
		return nil
	}
	c := &callers{}
	if s.Auth.Header() != "" {
		self := post.Endpoint{URL: url, Headers: s.Headers, Auth: s.Auth, TLS: s.TLS}
		c.auth = r.clients.Open(&post.Target{Endpoint: self}, s.Network, 0)
	}
	if s.URLFrom != nil {
		c.url = r.clients.Open(&post.Target{Endpoint: s.URLFrom.Endpoint}, s.Network, 0)
	}
	return c
}

// header reads the secrets, gets a token if need be, and adds the epoch.
func (h *hold) header() (http.Header, error) {
	var header http.Header
	var err error
	if h.callers != nil && h.callers.auth != nil {
		header, err = h.callers.auth.Header(h.ctx)
	} else {
		header, err = h.spec.Headers.Read()
	}
	if err != nil {
		return nil, err
	}
	header.Set(resources.FenceHeader, strconv.FormatInt(h.epoch, 10))
	return header, nil
}

// refused tells that the credentials in a header were not taken.
func (h *hold) refused(header http.Header) {
	if h.callers != nil && h.callers.auth != nil {
		h.callers.auth.Refused(h.ctx, header)
	}
}

// address returns the url to connect to now.
func (h *hold) address() (string, *ended) {
	to, err := h.memory.address(h.spec, h.home())
	switch {
	case err != nil:
		return "", end(paceBackoff, "connect: resume.url: %w", err)
	case to != "":
		return to, nil
	case h.spec.URLFrom != nil:
		return h.askAddress()
	}
	return h.url, nil
}

// askAddress calls url_from.
func (h *hold) askAddress() (string, *ended) {
	from := h.spec.URLFrom
	timeout := time.Duration(from.Timeout)
	ctx, cancel := resources.WithTimeout(h.ctx, timeout, fmt.Errorf("no answer within %s (url_from.timeout)", timeout))
	defer cancel()
	resp, err := h.fetchAddress(ctx)
	if err != nil {
		return "", failedDial(fmt.Errorf("ask url_from: %w", err))
	}
	defer resp.Body.Close()
	if resp.Status < 200 || resp.Status > 299 {
		return "", refusedDial("ask url_from", resp.Status, resp.Header)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxURLAnswer+1))
	switch {
	case err != nil:
		return "", failedDial(fmt.Errorf("ask url_from: %w", err))
	case len(raw) > maxURLAnswer:
		return "", rejected(paceMax, "ask url_from: the answer has more than %d bytes; is it the right url?", maxURLAnswer)
	}
	found, err := from.Extract.Eval(answerTerms{Body: parse(raw)})
	to, isText := found.(string)
	switch {
	case err != nil:
		return "", rejected(paceBackoff, "ask url_from: extract: %w", err)
	case !isText || to == "":
		return "", rejected(paceBackoff, "ask url_from: extract finds no text in the answer; is it an error, or is url_from.extract wrong?")
	}
	if err := h.spec.judge(to); err != nil {
		return "", rejected(paceBackoff, "ask url_from: %w", err)
	}
	return to, nil
}

func (h *hold) fetchAddress(ctx context.Context) (*post.Response, error) {
	from := h.spec.URLFrom
	request := post.Request{Method: from.Method, URL: from.URL, Header: http.Header{"Accept": {"application/json"}}}
	if len(from.Body) > 0 {
		body, err := from.Body.fill(terms{}, h.spec.Secrets)
		if err != nil {
			return nil, fmt.Errorf("url_from.body: %w", err)
		}
		request.Body = []byte(body)
		if strings.HasPrefix(body, "{") {
			request.Header.Set("Content-Type", "application/json")
		}
	}
	return h.callers.url.Fetch(ctx, request)
}

// parse returns what was received as JSON has it, and text when it is none.
func parse(data []byte) any {
	v, err := resources.ParseJSON(data)
	if err != nil {
		return string(data)
	}
	return v
}

// rejected is an answer that is no use.
func rejected(p pace, format string, args ...any) *ended {
	why := end(p, format, args...)
	why.result = resources.ConnectRejected
	return why
}

// refusedDial is an answer other than the one asked for.
func refusedDial(doing string, status int, header http.Header) *ended {
	said := fmt.Sprintf("%s: the server answered %d %s", doing, status, http.StatusText(status))
	var why *ended
	switch status {
	case http.StatusSwitchingProtocols:
		why = rejected(paceMax, "%s: the server answered 101, but not as a websocket does "+
			"(Upgrade, Connection or Sec-WebSocket-Accept is wrong)", doing)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		why = end(paceAuth, "%s; see its url, headers and auth", said)
		why.state, why.result = resources.StateAuthFailed, resources.ConnectAuth
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		why = &ended{state: resources.StateBackingOff, err: errors.New(said)}
		why.atLeast, why.result = resources.RetryAfter(header, time.Now(), time.Hour), resources.ConnectThrottled
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		why = rejected(paceMax, "%s, to %s; put the final address into url", said, resources.RedactURL(header.Get("Location")))
	default:
		why = rejected(paceBackoff, "%s", said)
	}
	return why
}
