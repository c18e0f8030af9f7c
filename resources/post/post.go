package post

import (
	"context"
	"net/http"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// Endpoint is what a spec says of whom to call, in the same fields for all that do.
type Endpoint struct {
	URL     string            `json:"url"`
	Headers resources.Headers `json:"headers"`
	Auth    Auth              `json:"auth"`
	TLS     resources.TLS     `json:"tls"`
}

// Check says what is wrong with an endpoint, without looking at files or the network. The headers in own are set by the
// caller, so a spec can't.
func (e *Endpoint) Check(n *resources.Network, own ...string) error {
	if err := n.CheckURL("url", e.URL); err != nil {
		return err
	}
	own = append(own, "Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		resources.FenceHeader)
	if name := e.Auth.Header(); name != "" {
		own = append(own, name)
	}
	if err := e.Headers.Check(own...); err != nil {
		return err
	}
	if err := e.Auth.Check(n); err != nil {
		return err
	}
	return e.TLS.Check()
}

// Target is an endpoint to post to, in the same fields for all that do. Begin with DefaultTarget.
type Target struct {
	Endpoint
	Signing Signing `json:"signing"`
}

// DefaultTarget returns what holds for the fields that a spec leaves out.
func DefaultTarget() Target { return Target{Signing: DefaultSigning()} }

// Check says what is wrong with a target, as Endpoint.Check does.
func (t *Target) Check(n *resources.Network, own ...string) error {
	own = append(own, headerID, headerTimestamp, headerSignature, t.Signing.header())
	if err := t.Endpoint.Check(n, own...); err != nil {
		return err
	}
	return t.Signing.check()
}

// Poster posts to one target. It may be used concurrently.
type Poster struct {
	target    *Target
	network   resources.Network
	transport *http.Transport
	tokens    tokens
}

// Open returns a Poster. It connects to nothing yet.
func (c *Clients) Open(t *Target, n resources.Network, connectTimeout time.Duration) *Poster {
	transport := c.transport(settings{TLS: t.TLS, Network: n, ConnectTimeout: connectTimeout})
	return &Poster{target: t, network: n, transport: transport, tokens: tokens{turn: make(chan struct{}, 1)}}
}

// Message is what to post.
type Message struct {
	ID     string // goes along as webhook-id, and is signed
	Header http.Header
	Body   []byte
}

// Post makes one request, and returns the answer, whatever it is, or an *Error. It adds the target's headers, credentials
// and signature to those of the message, which win over the target's.
func (p *Poster) Post(ctx context.Context, m Message) (*Answer, error) {
	header, err := p.header(ctx, m.Header)
	if err != nil {
		return nil, p.failed(p.target.URL, err, false)
	}
	if err := p.target.Signing.sign(header, m.ID, time.Now(), m.Body); err != nil {
		return nil, p.failed(p.target.URL, err, false)
	}
	return p.authorized(ctx, request{method: http.MethodPost, url: p.target.URL, header: header, body: m.Body})
}

// Ask makes one request without a body to another URL of the same spec, with the target's headers and credentials.
func (p *Poster) Ask(ctx context.Context, method, url string, h http.Header) (*Answer, error) {
	header, err := p.header(ctx, h)
	if err != nil {
		return nil, p.failed(url, err, false)
	}
	return p.authorized(ctx, request{method: method, url: url, header: header})
}

// Header returns the target's headers and credentials as of now, for a request that is made by other means, such as a websocket's
// handshake. It may read files, and ask for a token.
func (p *Poster) Header(ctx context.Context) (http.Header, error) { return p.header(ctx, nil) }

// Refused tells that such a request was answered with 401: a token that it carried is not used again.
func (p *Poster) Refused(ctx context.Context, header http.Header) {
	if p.target.Auth.oauth2 != nil {
		p.tokens.refused(ctx, header.Get("Authorization"))
	}
}

// header reads the secrets of the target's headers and its credentials.
func (p *Poster) header(ctx context.Context, more http.Header) (http.Header, error) {
	header, err := p.target.Headers.Read()
	if err != nil {
		return nil, err
	}
	if err := p.apply(ctx, header); err != nil {
		return nil, err
	}
	for name, values := range more {
		header[name] = values
	}
	return header, nil
}

// authorized makes a request, and sees to it that a token that was refused is not used again.
func (p *Poster) authorized(ctx context.Context, r request) (*Answer, error) {
	answer, err := p.do(ctx, r)
	if err == nil && answer.Status == http.StatusUnauthorized {
		p.Refused(ctx, r.header)
	}
	return answer, err
}
