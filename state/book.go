package state

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Options says whom a Book tells. Nothing is required.
type Options struct {
	// Wrote is told every write when it is over: how long it took, with waiting, and what became of it, one of Results. It
	// must not block.
	Wrote func(result string, took time.Duration)
	// Opened is told of each page, before anything is kept there. It must not block.
	Opened func()
	Log    *slog.Logger // default: none
}

// Fenced is the one of Results that says that the claim was at another epoch.
const Fenced = "fenced"

// Results returns what can become of a write.
func Results() []string { return []string{"done", Fenced, "refused", "unknown"} }

// Book commits the writes of all resources that a node holds. All methods may be called concurrently.
type Book struct {
	store  *lease.Store
	o      Options
	writes chan *write
	ended  chan struct{} // closed when Run has returned
	asks   asks
}

// ErrClosed is returned for writes that a Book's end has cut off.
var ErrClosed = errors.New("the node's book is closed")

// Open returns a book that writes as soon as Run does.
func Open(store *lease.Store, o Options) *Book {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wrote == nil {
		o.Wrote = func(string, time.Duration) {}
	}
	if o.Opened == nil {
		o.Opened = func() {}
	}
	return &Book{store: store, o: o, writes: make(chan *write), ended: make(chan struct{}), asks: newAsks()}
}

// Run commits what is written and follows what operators ask, until ctx ends; then it returns nil. Call it once.
func (b *Book) Run(ctx context.Context) error {
	defer close(b.ended)
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { b.followAsks(ctx) })
	d := &desk{b: b, done: make(chan struct{}, maxFlying), turn: time.NewTimer(0)}
	defer d.turn.Stop()
	d.run(ctx)
	return nil
}

// submit hands a write over and waits for what becomes of it.
func (b *Book) submit(ctx context.Context, w *write) (fence int64, err error) {
	w.ctx = ctx
	select {
	case b.writes <- w:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-b.ended:
		return 0, ErrClosed
	}
	select {
	case v := <-w.answered:
		return v.fence, v.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (b *Book) wrote(took time.Duration, err error) {
	result := "unknown"
	switch {
	case err == nil:
		result = "done"
	case errors.Is(err, ErrFenced):
		result = Fenced
	case errors.Is(err, cluster.ErrRefused):
		result = "refused"
	}
	b.o.Wrote(result, took)
}
