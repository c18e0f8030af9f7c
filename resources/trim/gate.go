package trim

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
)

const (
	// known is for how long what webhooks have passed is taken for granted, while a topic has more events than may be behind.
	known = 10 * time.Second
	// askLeast is how long to wait at the least before that is asked again, and askPart which part of the time asking may take.
	askLeast = time.Second
	askPart  = 20
)

// Gate says which topics take no more events for now, since webhooks have too much to deliver. So publishers have to wait, instead of
// what was not delivered being deleted one day. It goes by the log as this node knows it, and asks the store what webhooks have passed only
// when a topic has more events than that altogether. All methods may be called concurrently.
type Gate struct {
	log   *events.Log
	store *lease.Store
	most  int
	to    *slog.Logger
	turn  chan struct{} // holds a token while somebody asks the store
	seen  atomic.Pointer[sight]
}

// sight is what webhooks had passed.
type sight struct {
	readers *readers // nil: it could not be read
	at      time.Time
	next    time.Time // not to be asked again before
}

// NewGate returns a gate that lets no topic have more events than most which some webhook has not passed.
func NewGate(log *events.Log, store *lease.Store, most int, to *slog.Logger) *Gate {
	g := &Gate{log: log, store: store, most: most, to: to, turn: make(chan struct{}, 1)}
	g.seen.Store(&sight{})
	return g
}

// Full returns an error that says what to do when a topic takes no more events for now, else nil. It may ask the store, at most once a
// second; what it can't find out in time keeps nobody from publishing.
func (g *Gate) Full(ctx context.Context, topic string) error {
	if !g.log.Exceeds(topic, events.Position{}, g.most) {
		return nil
	}
	s := g.seen.Load()
	if time.Since(s.at) > known || g.exceeds(s, topic) {
		s = g.look(ctx)
	}
	if !g.exceeds(s, topic) {
		return nil
	}
	return fmt.Errorf("more than %d events of topic %s are not delivered by every webhook that wants them; try again when they are, and see drm get webhook for what is behind",
		g.most, topic)
}

// exceeds tells whether the slowest reader of a topic is too far behind.
func (g *Gate) exceeds(s *sight, topic string) bool {
	if s.readers == nil {
		return false
	}
	at, read := s.readers.slowest(topic)
	return read && g.log.Exceeds(topic, at, g.most)
}

// look finds out what webhooks have passed, unless that was done just now.
func (g *Gate) look(ctx context.Context) *sight {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return g.seen.Load()
	}
	s := g.seen.Load()
	began := time.Now()
	if began.Before(s.next) {
		return s
	}
	r, err := survey(ctx, g.store, nil)
	if err != nil {
		g.to.Warn("whether webhooks are behind is not known", "err", err)
	}
	s = &sight{readers: r, at: began, next: began.Add(max(askLeast, askPart*time.Since(began)))}
	g.seen.Store(s)
	return s
}
