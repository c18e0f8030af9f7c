package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/drm-cluster/drm/cluster"
)

// listing is a listing in the background of a watch. It must not undo what the watch has told since: it waits
// until the watch has reached its revision, so that a difference is a lost event and not a late one; and what
// the watch has told at a later revision is left out of it.
type listing struct {
	running sync.WaitGroup
	pages   chan cluster.Batch // closed at the end
	err     error              // why it ended; to be read when pages is closed
	held    *cluster.Batch     // came before the watch had reached its revision
	changed map[string]int64   // what the watch has told meanwhile: its path and revision
}

func (w *watching) startListing(ctx context.Context) {
	w.s.cfg.Notice("reconcile")
	l := &listing{pages: make(chan cluster.Batch), changed: map[string]int64{}}
	l.running.Go(func() {
		defer close(l.pages)
		l.err = w.s.list(ctx, w.keys, func(b cluster.Batch) error {
			select {
			case l.pages <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	w.listing = l
}

// next returns where the next page comes from; nil while none is wanted.
func (l *listing) next() <-chan cluster.Batch {
	if l == nil || l.held != nil {
		return nil
	}
	return l.pages
}

// note remembers what the watch has told.
func (l *listing) note(records []cluster.Record) {
	if l == nil {
		return
	}
	for _, r := range records {
		l.changed[r.Path] = r.Rev
	}
}

func (l *listing) join() {
	if l != nil {
		l.running.Wait()
	}
}

// endListing joins a listing that is over and plans the next.
func (w *watching) endListing() error {
	w.listing.join()
	err := w.listing.err
	w.listing = nil
	w.planRecheck()
	if errors.Is(err, cluster.ErrRestored) {
		return fmt.Errorf("follow: %w", err)
	}
	if err != nil {
		w.s.cfg.Log.Warn("listing etcd in the background failed; the watch goes on", "err", err)
	}
	return nil
}

// relist delivers the page that is held, once the watch has reached it.
func (w *watching) relist(ctx context.Context) error {
	if w.listing == nil || w.listing.held == nil || w.rev < w.listing.held.Rev {
		return nil
	}
	b := *w.listing.held
	w.listing.held = nil
	b.Records = slices.DeleteFunc(b.Records, func(r cluster.Record) bool { return w.listing.changed[r.Path] > b.Rev })
	return w.send(ctx, b)
}
