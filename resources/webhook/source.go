package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natslog"
)

// source is the log that a webhook delivers: the topics of the cluster, or a stream of NATS (natslog.Stream). Of Origin, Seek and Next one is
// called at a time, the others at any time before Close.
type source interface {
	// Origin is where a webhook begins that was never held and is not to deliver what is old.
	Origin(ctx context.Context) (events.Position, error)
	// Seek has the log read on after a position.
	Seek(after events.Position)
	// Next returns what comes next in the order of the log, at least one event and at most so many, and blocks until there is one. It
	// may give again what it was not told to be settled. An error that is events.ErrGap or events.ErrAnother is told once, and
	// events.ErrClosed is for good; after any other it may be called again.
	Next(ctx context.Context, most int) ([]events.Event, error)
	// Get returns an event again by its ref, or events.ErrGone.
	Get(ctx context.Context, ref string) (events.Event, error)
	// Settled says of which events all is on record that there will ever be: nobody needs them any more.
	Settled(refs []string)
	// Close ends all that Seek has begun.
	Close()
}

// topicLog is the topics of the cluster, as a source.
type topicLog struct {
	*events.Log
	names []string
	key   cluster.Key // of the webhook
	feed  *events.Feed
}

// Origin implements source. It is when the webhook was created, so that nothing is missed that was published since.
func (t *topicLog) Origin(ctx context.Context) (events.Position, error) {
	return t.Log.Origin(ctx, t.key)
}

// Seek implements source.
func (t *topicLog) Seek(after events.Position) {
	t.Close()
	t.feed = t.Subscribe(t.names, after)
}

// Next implements source.
func (t *topicLog) Next(ctx context.Context, most int) ([]events.Event, error) {
	return t.feed.Next(ctx, most)
}

// Settled implements source: an event lies under its key until it is trimmed, and the trimmer reads the ledger.
func (t *topicLog) Settled([]string) {}

// Close implements source.
func (t *topicLog) Close() {
	if t.feed != nil {
		t.feed.Close()
	}
}

// sourceSpec is the "source" field of a spec: where events come from if not from topics of the cluster.
type sourceSpec struct{ jetstream *natslog.Spec }

// UnmarshalJSON reads the field strictly: which fields there are depends on "type".
func (s *sourceSpec) UnmarshalJSON(b []byte) error {
	var head struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil || head.Type != sourceJetStream {
		return resources.Wrong("type", fmt.Sprintf("must be %q, the only one there is; for events of the cluster itself give topics instead of source", sourceJetStream))
	}
	spec := &natslog.Spec{}
	if err := resources.Decode(b, spec); err != nil {
		return err
	}
	s.jetstream = spec
	return spec.Check()
}

const sourceJetStream = "jetstream"

// name tells sources apart, since a position in one means nothing in another: "" is the topics of the cluster.
func (s sourceSpec) name() string {
	if s.jetstream == nil {
		return ""
	}
	return s.jetstream.Name()
}

// source opens the source of a webhook.
func (r *Runner) source(s *spec, k cluster.Key) source {
	if s.Source.jetstream == nil {
		return &topicLog{Log: r.log, names: s.Topics, key: k}
	}
	return natslog.Open(s.Source.jetstream, natslog.Options{
		Conns: r.nats, Consumer: natslog.ConsumerFor(k.Kind, k.ID), Room: 4*maxKept + 16*s.Concurrency, AckWait: r.ackWait,
	})
}
