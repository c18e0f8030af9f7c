package post

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/drm-cluster/drm/resources"
)

// Request is what Fetch asks for.
type Request struct {
	Method    string
	URL       string      // of another origin than the target's: gets neither the target's headers nor its credentials
	Header    http.Header // beside the target's, over which these win
	Body      []byte      // of a POST
	Redirects int         // how many of a GET are followed
}

// Response is an answer whose body is still to come.
type Response struct {
	Status int
	Header http.Header
	Body   io.ReadCloser // as it is sent, compressed or not; ends with the context of Fetch. To be closed
	URL    *url.URL      // that answered, after redirects
}

// Fetch makes one request, and returns the answer when its status is known, or an *Error. A redirect that the network settings of the
// spec exclude is an error; each connection is judged by the guard, as any. Once a redirect has led to another origin nothing of the target's
// headers and credentials is sent any more, wherever further ones lead.
func (p *Poster) Fetch(ctx context.Context, r Request) (*Response, error) {
	to, err := url.Parse(r.URL)
	if err != nil {
		return nil, p.failed(r.URL, err, false)
	}
	home, err := url.Parse(p.target.URL)
	if err != nil {
		return nil, p.failed(p.target.URL, err, false)
	}
	trusted := true
	for hops := 0; ; hops++ {
		trusted = trusted && SameOrigin(to, home)
		resp, err := p.fetch(ctx, r, to, trusted)
		if err != nil {
			return nil, err
		}
		next := resp.Header.Get("Location")
		if r.Method != http.MethodGet || r.Redirects == 0 || !redirects(resp.Status) || next == "" {
			return resp, nil
		}
		_ = resp.Body.Close()
		if hops == r.Redirects {
			return nil, p.failed(to.String(), fmt.Errorf("it was redirected more than %d times", r.Redirects), true)
		}
		if to, err = p.follow(to, next); err != nil {
			return nil, p.failed(resp.URL.String(), fmt.Errorf("follow redirect: %w", err), true)
		}
	}
}

// fetch makes one request of a Fetch.
func (p *Poster) fetch(ctx context.Context, r Request, to *url.URL, trusted bool) (*Response, error) {
	header := r.Header.Clone()
	if trusted {
		var err error
		if header, err = p.header(ctx, r.Header); err != nil {
			return nil, p.failed(to.String(), err, false)
		}
	}
	resp, stop, err := p.send(ctx, request{method: r.Method, url: to.String(), header: header, body: r.Body})
	if err != nil {
		return nil, err
	}
	if trusted && resp.StatusCode == http.StatusUnauthorized {
		p.Refused(ctx, header)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		stop()
		return nil, p.failed(to.String(), errors.New("it answered 101 Switching Protocols, which nobody asked for"), true)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: &stream{resp.Body, stop}, URL: to}, nil
}

// stream is a body that ends the request with it.
type stream struct {
	io.ReadCloser
	stop context.CancelFunc
}

// Close implements io.Closer. What has not come yet is not waited for.
func (s *stream) Close() error {
	s.stop()
	return s.ReadCloser.Close()
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns where a redirect leads, if the spec may go there.
func (p *Poster) follow(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil {
		return nil, errors.New("its Location is malformed")
	}
	to.Fragment, to.RawFragment = "", ""
	var wrong *resources.SpecError
	if err := p.network.CheckURL("its Location", to.String()); errors.As(err, &wrong) {
		return nil, fmt.Errorf("%s %s", wrong.Field, wrong.Problem)
	}
	return to, nil
}

// SameOrigin tells whether two URLs have scheme, host and port in common (RFC 6454).
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
