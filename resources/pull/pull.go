// Package pull asks other people's HTTP servers again and again, in good manners: what kinds that poll share.
//
//	Loop ─▶ pace: when ─▶ the kind's poll ─▶ Puller.Get: turn at the host ─▶ request with validators ─▶ unchanged, or a body of bounded size
//	            ▲                                                                     │
//	            └──────────────────────── after how long, as the server asks ◀────────┘
//
// What is promised:
//
//   - When a resource is polled goes by its name and the clock alone, so that thousands with one interval spread over it, and stay
//     spread wherever they are held. What a takeover finds overdue is made up for within seconds, each at its own time.
//   - One request at a time for each Puller, of all of a node at most host_limit.concurrency to a host, and of all of the cluster no more than
//     host_limit.rate. A time that passes meanwhile is
//     skipped, not caught up with.
//   - A server that asks to be left alone is, by Retry-After, X-RateLimit-Reset or X-Poll-Interval, for retry_after_max at the most. One
//     that fails is asked less and less often.
//   - A body is never larger in memory than max_body, compressed or not.
//   - Errors hold no secret and no query of a URL.
package pull

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// The states of what polls, beside those of package resources: backing_off, auth_failed and sink_blocked.
const (
	StateReady     = "ready"     // the last poll went well, or none was due yet
	StateThrottled = "throttled" // the server asked to be left alone for a while
)

// maxRedirects is how many redirects of a GET are followed.
const maxRedirects = 5

// Options say what all that polls on a node shares. Clients and Budgets are required.
type Options struct {
	Clients *post.Clients
	Budgets *resources.Budgets
	Agent   string // what the requests call themselves, such as drm/1.2.0
	Meter   resources.Meter
	Log     *slog.Logger // nil: none
}

// Set is what all that polls on a node shares. It may be used concurrently.
type Set struct {
	o     Options
	hosts hosts
}

// NewSet returns a Set.
func NewSet(o Options) *Set {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Set{o: o, hosts: hosts{groups: map[string]*host{}}}
}

// Puller polls one resource for one run. Not for concurrent use.
type Puller struct {
	set    *Set
	spec   *Spec
	claim  cluster.Claim
	poster *post.Poster
	group  string // of host_limit
}

// Open returns a Puller. It connects to nothing yet. The spec was checked.
func (s *Set) Open(spec *Spec, c cluster.Claim) *Puller {
	return &Puller{
		set: s, spec: spec, claim: cluster.Claim{Key: c.Key, Epoch: c.Epoch}, group: spec.group(),
		poster: s.o.Clients.Open(&post.Target{Endpoint: spec.Endpoint}, spec.Network, 0),
	}
}

// Validators are by what a server can tell that nothing has changed (RFC 9110, section 8.8). They are sent back as they came.
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// maxValidator is the longest that is kept, in bytes. Without one, all that is lost is that the server could save itself an answer.
const maxValidator = 1 << 10

func validators(h http.Header) Validators {
	kept := func(name string) string {
		if v := h.Get(name); len(v) <= maxValidator && resources.IsHeaderValue(v) {
			return v
		}
		return ""
	}
	return Validators{ETag: kept("ETag"), LastModified: kept("Last-Modified")}
}

// Answer is what a server answered, with a status among success_status.
type Answer struct {
	URL        *url.URL // that answered, after redirects
	Status     int
	Header     http.Header
	Body       []byte
	Unchanged  bool // nothing is new since the validators: there is no body
	Validators Validators
	Asked      time.Duration // how long the server asks to be left alone; 0: it doesn't
}

// Trouble tells why there is no such answer.
type Trouble struct {
	State string        // to report
	Asked time.Duration // as of an Answer
	Err   error
}

// Error tells why.
func (t *Trouble) Error() string { return t.Err.Error() }

// Unwrap returns why.
func (t *Trouble) Unwrap() error { return t.Err }

func trouble(format string, args ...any) *Trouble {
	return &Trouble{State: resources.StateBackingOff, Err: fmt.Errorf(format, args...)}
}

// Get asks a URL, which is that of the spec or one that the server gave, once it is the turn of this resource at the host. It returns a
// *Trouble, or the cause when ctx ends.
func (p *Puller) Get(ctx context.Context, url string, v Validators) (*Answer, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	limit := time.Duration(p.spec.Timeout)
	limited, cancel := resources.WithTimeout(ctx, limit, fmt.Errorf("no whole answer within %s (timeout)", limit))
	defer cancel()
	began := time.Now()
	answer, result, err := p.ask(limited, url, v)
	p.set.o.Meter.Poll(p.claim.Key.Kind, result, time.Since(began))
	if cause := resources.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		var known *Trouble
		if !errors.As(err, &known) {
			known = trouble("%w", late(limited, err))
		}
		return nil, known
	}
	return answer, nil
}

// enter waits for the turn of this resource at its host.
func (p *Puller) enter(ctx context.Context) (leave func(), err error) {
	const oneByOne = 1 // a poll that waited for its turn is not to bring all that waited with it
	limit := resources.ConnectLimit{Rate: p.spec.HostLimit.Rate, Burst: oneByOne}
	if _, err := p.set.o.Budgets.Enter(ctx, "poll "+p.group, limit, func() {}); err != nil {
		return nil, err
	}
	return p.set.hosts.enter(ctx, p.group, p.spec.HostLimit.Concurrency)
}

// late puts the cause in the place of an error that says no more than that a deadline has passed.
func late(ctx context.Context, err error) error {
	if cause := resources.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("poll: %w", cause)
	}
	return err
}

func (p *Puller) ask(ctx context.Context, url string, v Validators) (answer *Answer, result string, err error) {
	header := http.Header{}
	header.Set("User-Agent", p.set.o.Agent)
	header.Set("Accept-Encoding", "gzip")
	header.Set(resources.FenceHeader, strconv.FormatInt(p.claim.Epoch, 10))
	if p.spec.Conditional && v.ETag != "" {
		header.Set("If-None-Match", v.ETag)
	}
	if p.spec.Conditional && v.LastModified != "" {
		header.Set("If-Modified-Since", v.LastModified)
	}
	resp, err := p.poster.Fetch(ctx, post.Request{
		Method: p.spec.Method, URL: url, Header: header, Body: []byte(p.spec.Body), Redirects: maxRedirects,
	})
	if err != nil {
		return nil, resources.PollFailed, err
	}
	defer resp.Body.Close()
	answer = &Answer{
		URL: resp.URL, Status: resp.Status, Header: resp.Header, Validators: validators(resp.Header),
		Asked: p.spec.asked(resp.Header, resp.Status, time.Now()),
	}
	if result = resources.PollResult(resp.Status); !resources.HasStatus(p.spec.SuccessStatus, resp.Status) {
		return nil, result, refused(answer)
	}
	if answer.Unchanged = resp.Status == http.StatusNotModified; answer.Unchanged {
		return answer, result, nil
	}
	if answer.Body, err = p.spec.read(resp); err != nil {
		return nil, resources.PollFailed, fmt.Errorf("read the answer of %s: %w", resources.RedactURL(url), late(ctx, err))
	}
	return answer, result, nil
}

// refused is the trouble of an answer with another status than hoped for.
func refused(a *Answer) *Trouble {
	why := trouble("poll %s: it answered %d %s", resources.RedactURL(a.URL.String()), a.Status, http.StatusText(a.Status))
	why.Asked = a.Asked
	switch {
	case a.Status == http.StatusTooManyRequests || a.Asked > 0:
		why.State = StateThrottled
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		why.State = resources.StateAuthFailed
	}
	return why
}
