package webhook

import (
	"context"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
)

// source is the log that a webhook delivers: the topics of the cluster, or a stream of NATS (natslog.Stream). Of Origin, Seek and Next one is
// called at a time, the others at any time before Close.
type source interface {
	// Origin is where a webhook begins that was never held. It asks the log where "now" is; "oldest" is before everything.
	Origin(ctx context.Context, start string) (events.Position, error)
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

// Origin implements source. "Now" is when the webhook was created, so that nothing is missed that was published since.
func (t *topicLog) Origin(ctx context.Context, start string) (events.Position, error) {
	if start == startOldest {
		return events.Position{}, nil
	}
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
