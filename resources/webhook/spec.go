package webhook

import (
	"fmt"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
)

// What is promised of an event's delivery.
const (
	modeOnce        = "once"             // never sent again once it may have been sent, whatever the answer
	modeEffectively = "effectively_once" // sent again only after an answer that refused it
	modeAtLeast     = "at_least_once"    // sent again until an answer took it
)

// What to do with an event of which it can't be known whether it arrived.
const (
	doubtHold  = "hold" // until somebody decides
	doubtRetry = "retry"
	doubtDrop  = "drop"
	doubtProbe = "probe" // ask the receiver
)

// What of the order of events is kept.
const (
	orderNone   = "none"
	orderKey    = "key"    // among those with the same ordering_key
	orderStrict = "strict" // among all
)

// Where a webhook begins that has delivered nothing yet.
const (
	startNow    = "now"
	startOldest = "oldest"
)

// spec is what a webhook resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared
	post.Target

	Topics      []string                          `json:"topics"`      // names, or globs
	Source      sourceSpec                        `json:"source"`      // in their place
	EventTypes  []string                          `json:"event_types"` // globs; empty: any
	Filter      resources.Expression[terms, bool] `json:"filter"`
	Transform   resources.Expression[terms, any]  `json:"transform"` // gives the data to send
	Payload     string                            `json:"payload" oneof:"standard raw cloudevents cloudevents-binary"`
	Delivery    string                            `json:"delivery" oneof:"once effectively_once at_least_once"`
	InDoubt     string                            `json:"in_doubt" oneof:"hold retry drop probe"`
	Probe       probeSpec                         `json:"probe"`
	Ordering    string                            `json:"ordering" oneof:"none key strict"`
	OrderingKey resources.Expression[terms, any]  `json:"ordering_key"`
	Start       string                            `json:"start" oneof:"now oldest"`
	Validate    string                            `json:"validate" oneof:"none options"` // ask for leave before the first event

	Timeout        cluster.Duration `json:"timeout" min:"100ms" max:"10m"` // of an attempt, connecting included
	ConnectTimeout cluster.Duration `json:"connect_timeout" min:"100ms" max:"5m"`
	Concurrency    int              `json:"concurrency" min:"1" max:"100"` // attempts at a time

	Retry      retrySpec      `json:"retry"`
	RateLimit  rateSpec       `json:"rate_limit"`
	Breaker    breakerSpec    `json:"breaker"`
	Disable    disableSpec    `json:"disable"`
	DeadLetter deadLetterSpec `json:"dead_letter"`

	Network          resources.Network `json:"network"`
	MaxPayload       resources.Size    `json:"max_payload" min:"1B" max:"16MiB"`
	LogResponseBytes int               `json:"log_response_bytes" min:"0" max:"2048"` // of the answers on record
}

// probeSpec says how to ask the receiver whether it has an event: GET, with the headers and credentials of the webhook.
type probeSpec struct {
	URL    string `json:"url"` // {id} in it stands for the event's id
	Seen   []int  `json:"seen"`
	Unseen []int  `json:"unseen"`
}

// retrySpec says when an event is sent again.
type retrySpec struct {
	Schedule      []cluster.Duration   `json:"schedule"` // the pause after each attempt; after one more the event is a dead letter
	Jitter        float64              `json:"jitter"`   // what part of a pause is left to chance, up or down
	RetryAfterMax cluster.Duration     `json:"retry_after_max" min:"0s" max:"168h"`
	OnStatus      []resources.Statuses `json:"on_status"` // other answers than these and 2xx make a dead letter at once
}

// rateSpec bounds how many attempts begin.
type rateSpec struct {
	Rate  int              `json:"rate" min:"0" max:"1000000"` // per Per; 0: no bound
	Per   cluster.Duration `json:"per" min:"100ms" max:"24h"`
	Burst int              `json:"burst" min:"1" max:"1000000"`
}

// breakerSpec says when a receiver that fails is left alone for a while.
type breakerSpec struct {
	Failures int              `json:"failures" min:"0" max:"1000000"` // in a row; 0: never
	OpenFor  cluster.Duration `json:"open_for" min:"100ms" max:"24h"`
}

// disableSpec says when nothing more is delivered until the spec is put again.
type disableSpec struct {
	FailingFor cluster.Duration `json:"failing_for" min:"0s" max:"8760h"` // 0: never
	On410      bool             `json:"on_410"`
}

// deadLetterSpec says how much is kept of what could not be delivered.
type deadLetterSpec struct {
	Retention cluster.Duration `json:"retention" min:"0s" max:"8760h"`
	Max       int              `json:"max" min:"0" max:"1000000"`
}

func defaults() spec {
	retry := retrySpec{
		Jitter: 0.2, RetryAfterMax: cluster.Duration(24 * time.Hour),
		OnStatus: resources.StatusesOf("408", "409", "425", "429", "5xx"),
	}
	for _, d := range []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	} {
		retry.Schedule = append(retry.Schedule, cluster.Duration(d))
	}
	return spec{
		Target:           post.DefaultTarget(),
		Payload:          payloadStandard,
		Delivery:         modeEffectively,
		InDoubt:          doubtHold,
		Probe:            probeSpec{Seen: []int{200, 204}, Unseen: []int{404}},
		Ordering:         orderNone,
		Start:            startNow,
		Validate:         validateNone,
		Timeout:          cluster.Duration(15 * time.Second),
		ConnectTimeout:   cluster.Duration(5 * time.Second),
		Concurrency:      4,
		Retry:            retry,
		RateLimit:        rateSpec{Per: cluster.Duration(time.Second), Burst: 1},
		Breaker:          breakerSpec{Failures: 10, OpenFor: cluster.Duration(30 * time.Second)},
		Disable:          disableSpec{FailingFor: cluster.Duration(120 * time.Hour), On410: true},
		DeadLetter:       deadLetterSpec{Retention: cluster.Duration(168 * time.Hour), Max: 10_000},
		MaxPayload:       256 << 10,
		LogResponseBytes: 2048,
	}
}

// readSpec reads a spec strictly.
func readSpec(raw []byte) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if err := s.Network.Check(); err != nil {
		return nil, err
	}
	if err := s.Target.Check(&s.Network, s.ownHeaders()...); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &s, s.checkProbe()
}

// ownHeaders are those that a spec can't set, for they come from the event or are about the attempt.
func (s *spec) ownHeaders() []string {
	own := []string{"Content-Type", "User-Agent", headerAttempt, headerTrace}
	for name := range s.Headers {
		if strings.HasPrefix(strings.ToLower(name), "ce-") {
			own = append(own, name)
		}
	}
	return own
}

// check says which fields are wrong in themselves or don't fit together.
func (s *spec) check() error {
	const maxPauses, maxPause = 100, 30 * 24 * time.Hour
	switch {
	case len(s.Topics) > 0 && s.Source.jetstream != nil:
		return resources.Wrong("source", "is given beside topics; a webhook has one of them")
	case len(s.Topics) == 0 && s.Source.jetstream == nil:
		return resources.Wrong("topics", `is missing; name those to deliver, such as ["orders", "billing.*"]`)
	case s.Ordering == orderKey && s.OrderingKey.Empty():
		return resources.Wrong("ordering_key", `is missing; an ordering by "key" needs one, such as "data.customer"`)
	case s.Ordering != orderKey && !s.OrderingKey.Empty():
		return resources.Wrong("ordering_key", `is given, but ordering is not "key"`)
	case len(s.Retry.Schedule) > maxPauses:
		return resources.Wrong("retry.schedule", fmt.Sprintf("has %d pauses; it may have %d", len(s.Retry.Schedule), maxPauses))
	case s.Retry.Jitter < 0 || s.Retry.Jitter > 1:
		return resources.Wrong("retry.jitter", "is out of range; it must be from 0 to 1")
	}
	for i, topic := range s.Topics {
		if topic == "" || strings.Contains(topic, "/") {
			return resources.Wrong(fmt.Sprintf("topics[%d]", i), `is not the name of a topic, or a glob such as "billing.*"`)
		}
	}
	for i, pause := range s.Retry.Schedule {
		if pause < 0 || time.Duration(pause) > maxPause {
			return resources.Wrong(fmt.Sprintf("retry.schedule[%d]", i), "is out of range; it must be from 0s to 720h")
		}
	}
	return nil
}

func (s *spec) checkProbe() error {
	switch {
	case s.InDoubt != doubtProbe && s.Probe.URL != "":
		return resources.Wrong("probe.url", `is given, but in_doubt is not "probe"`)
	case s.InDoubt != doubtProbe:
		return nil
	case !strings.Contains(s.Probe.URL, "{id}"):
		return resources.Wrong("probe.url", `has no {id}, which stands for the event's id; give it https://host/path/{id}`)
	}
	return s.Network.CheckURL("probe.url", strings.ReplaceAll(s.Probe.URL, "{id}", "id"))
}
