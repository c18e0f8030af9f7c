package pull

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// Spec is what a spec says of what to ask and when, in the same fields for all kinds that poll. Begin with Defaults.
type Spec struct {
	post.Endpoint

	Method  string            `json:"method" oneof:"GET POST"`
	Body    string            `json:"body"` // of a POST
	Network resources.Network `json:"network"`

	Interval    cluster.Duration `json:"interval" min:"100ms" max:"8760h"`
	MinInterval cluster.Duration `json:"min_interval" min:"100ms" max:"8760h"` // also the shortest pause after a failure
	Jitter      float64          `json:"jitter"`                               // what part of an interval is left to chance each time
	Splay       bool             `json:"splay"`                                // the name of the resource says when within the interval
	Align       bool             `json:"align"`                                // at whole intervals of the clock, in spite of splay
	Backoff     backoffSpec      `json:"backoff"`

	Timeout             cluster.Duration     `json:"timeout" min:"100ms" max:"1h"` // of one request, from its turn to the end of the body
	Conditional         bool                 `json:"conditional"`                  // send back ETag and Last-Modified
	RespectCacheControl bool                 `json:"respect_cache_control"`        // don't ask before what came is out of date
	RetryAfterMax       cluster.Duration     `json:"retry_after_max" min:"0s" max:"8760h"`
	SuccessStatus       []resources.Statuses `json:"success_status"`
	MaxBody             resources.Size       `json:"max_body" min:"1B" max:"256MiB"` // decompressed
	HostLimit           hostSpec             `json:"host_limit"`
}

// backoffSpec says how the pause grows with each failure in a row, beginning with the interval.
type backoffSpec struct {
	Multiplier float64          `json:"multiplier"`
	Max        cluster.Duration `json:"max" min:"100ms" max:"8760h"`
}

// hostSpec bounds what is asked of one host.
type hostSpec struct {
	Group       string         `json:"group"`                           // what counts as one host; empty: host and port of url
	Rate        resources.Rate `json:"rate"`                            // requests of the whole cluster; empty: no limit
	Concurrency int            `json:"concurrency" min:"1" max:"10000"` // requests of a node at a time
}

// Defaults returns what holds for the fields that a spec leaves out.
func Defaults() Spec {
	return Spec{
		Method:        http.MethodGet,
		Interval:      cluster.Duration(time.Minute),
		MinInterval:   cluster.Duration(time.Second),
		Jitter:        0.1,
		Splay:         true,
		Backoff:       backoffSpec{Multiplier: 2, Max: cluster.Duration(15 * time.Minute)},
		Timeout:       cluster.Duration(30 * time.Second),
		Conditional:   true,
		RetryAfterMax: cluster.Duration(24 * time.Hour),
		SuccessStatus: resources.StatusesOf("2xx", "304"),
		MaxBody:       10 << 20,
		HostLimit:     hostSpec{Concurrency: 2},
	}
}

// Check says what is wrong with the fields, without looking at files or the network.
func (s *Spec) Check() error {
	if err := s.Network.Check(); err != nil {
		return err
	}
	if err := s.Endpoint.Check(&s.Network, "Accept-Encoding", "If-Modified-Since", "If-None-Match", "User-Agent"); err != nil {
		return err
	}
	switch {
	case s.Body != "" && s.Method != http.MethodPost:
		return resources.Wrong("body", `is given, but method is not "POST"`)
	case s.Interval < s.MinInterval:
		return resources.Wrong("interval", fmt.Sprintf("is below min_interval, which is %s", time.Duration(s.MinInterval)))
	case s.Jitter < 0 || s.Jitter > 1:
		return resources.Wrong("jitter", "is out of range; it must be from 0 to 1")
	case s.Backoff.Multiplier < 1 || s.Backoff.Multiplier > 100:
		return resources.Wrong("backoff.multiplier", "is out of range; it must be from 1 to 100")
	case len(s.SuccessStatus) == 0:
		return resources.Wrong("success_status", `is empty; name the answers to take, such as ["2xx", "304"]`)
	}
	return nil
}

// group is what counts as one host.
func (s *Spec) group() string {
	if s.HostLimit.Group != "" {
		return s.HostLimit.Group
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL // Check refuses such a one
	}
	return u.Host
}
