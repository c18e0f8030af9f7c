package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

const (
	// defaultMemory is how many bytes of values a Log keeps in memory.
	defaultMemory = 64 << 20
	// retryPause is how long to wait before asking etcd again for what it did not give.
	retryPause = time.Second
	// catchUp is how long the watch may be behind what another node has seen before that counts as trouble.
	catchUp = 5 * time.Second
)

// Errors that a caller branches on.
var (
	// ErrGone: the event was deleted or overwritten.
	ErrGone = errors.New("the event is not in the log any more")
	// ErrGap: events were lost before they were read. What comes after them can be read.
	ErrGap = errors.New("events were lost before they were read")
	// ErrAnother: the log was deleted and made anew. Its positions mean something else now, and what was not read of the old one is lost.
	ErrAnother = errors.New("the log is another one than it was")
	// ErrClosed: the Log's Run has ended, or the Feed was closed.
	ErrClosed = errors.New("the log of events is closed")
)

// Options say how a Log works. Nothing is required.
type Options struct {
	Memory int64        // bytes of values kept in memory; default: 64 MiB
	Log    *slog.Logger // default: none
}

// Log reads the topics of a cluster. All methods may be called concurrently.
type Log struct {
	store *lease.Store
	log   *slog.Logger
	most  int64
	first sync.Once
	begun chan struct{} // closed by the first Subscribe
	ended chan struct{} // closed when Run has returned

	mu     sync.Mutex
	topics map[string]*topic
	globs  map[*Feed]struct{} // feeds that may join topics which are yet to come
	rev    int64              // everything up to here is in the index; 0: nothing is known yet
	moved  chan struct{}      // closed when rev has grown
	values []*entry           // that were kept in memory, oldest first
	kept   int                // values in memory
	bytes  int64              // of them

	listed     []cluster.Record // pages of a listing that is not complete
	listingRev int64
}

// Open returns a log that is read as soon as Run does and somebody subscribes.
func Open(store *lease.Store, o Options) *Log {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	return &Log{
		store: store, log: o.Log, most: o.Memory,
		begun: make(chan struct{}), ended: make(chan struct{}), moved: make(chan struct{}),
		topics: map[string]*topic{}, globs: map[*Feed]struct{}{},
	}
}

// Run follows the topics from the first Subscribe on, until ctx ends; then it returns nil. Call it once.
func (l *Log) Run(ctx context.Context) error {
	defer close(l.ended)
	select {
	case <-l.begun:
	case <-ctx.Done():
		return nil
	}
	batches := make(chan cluster.Batch)
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() {
		defer close(batches)
		for ctx.Err() == nil {
			err := l.store.FollowRange(ctx, lease.Range{Below: Root, KeysOnly: true}, batches)
			if ctx.Err() == nil {
				l.log.Warn("following the topics starts over", "err", err)
				pause(ctx, retryPause)
			}
		}
	})
	for b := range batches {
		l.fold(b)
	}
	return nil
}

// fold takes a batch into the index.
func (l *Log) fold(b cluster.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case b.Listing:
		if b.Rev != l.listingRev {
			l.listed, l.listingRev = nil, b.Rev
		}
		l.listed = append(l.listed, b.Records...)
		if !b.Complete {
			return
		}
		l.adopt(l.listed, b.Rev)
		l.listed, l.listingRev = nil, 0
	default:
		for _, r := range b.Records {
			if r.Deleted {
				l.drop(r.Path, r.Rev)
			} else {
				l.put(r)
			}
		}
	}
	l.rev = b.Rev
	close(l.moved)
	l.moved = make(chan struct{})
}

// Origin returns the position before everything that was published since a resource was created, and after what was published before.
func (l *Log) Origin(ctx context.Context, k cluster.Key) (Position, error) {
	found, err := l.store.Read(ctx, cluster.ResourcePath(k))
	switch {
	case err != nil:
		return Position{}, fmt.Errorf("find where in the log %s begins: %w", k, err)
	case found[0].Deleted:
		return Position{Rev: found[0].Rev}, nil
	}
	return Position{Rev: found[0].Created}, nil
}

// Get returns the event of a reference again; ErrGone when it is not in the log any more. It may be called while a Feed is open.
func (l *Log) Get(ctx context.Context, ref string) (Event, error) {
	name, _, at, err := ParseRef(ref)
	if err != nil {
		return Event{}, err
	}
	if err := l.reach(ctx, at.Rev); err != nil {
		return Event{}, fmt.Errorf("read event %s: %w", ref, err)
	}
	l.mu.Lock()
	var e *entry
	if t := l.topics[name]; t != nil {
		e = t.find(at)
	}
	l.mu.Unlock()
	if e == nil {
		return Event{}, fmt.Errorf("read event %s: %w", ref, ErrGone)
	}
	found, err := l.read(ctx, []*entry{e})
	switch {
	case err != nil:
		return Event{}, fmt.Errorf("read event %s: %w", ref, err)
	case len(found) == 0:
		return Event{}, fmt.Errorf("read event %s: %w", ref, ErrGone)
	}
	return found[0], nil
}

// reach waits until everything up to a revision is in the index: another node may have seen it before.
func (l *Log) reach(ctx context.Context, rev int64) error {
	late := time.NewTimer(catchUp)
	defer late.Stop()
	for {
		l.mu.Lock()
		there, moved := l.rev >= rev, l.moved
		l.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-moved:
		case <-l.ended:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("the log is not read up to revision %d yet", rev)
		}
	}
}

// read makes events of entries, from memory or from the store. It leaves out what is there no longer.
func (l *Log) read(ctx context.Context, entries []*entry) ([]Event, error) {
	values := make([][]byte, len(entries))
	var paths []string
	var missing []int
	l.mu.Lock()
	for i, e := range entries {
		if values[i] = e.value; !e.kept {
			paths, missing = append(paths, e.path), append(missing, i)
		}
	}
	l.mu.Unlock()
	lost := make([]bool, len(entries))
	if len(paths) > 0 {
		records, err := l.store.Read(ctx, paths...)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		for j, r := range records {
			i := missing[j]
			if lost[i] = r.Deleted || r.Rev != entries[i].at.Rev; !lost[i] {
				values[i] = r.Value
				l.keep(entries[i], r.Value)
			}
		}
		l.mu.Unlock()
	}
	found := make([]Event, 0, len(entries))
	for i, e := range entries {
		if !lost[i] {
			found = append(found, e.event(values[i]))
		}
	}
	return found, nil
}

// event makes the event of an entry.
func (e *entry) event(value []byte) Event {
	name, _, _ := split(e.path)
	v := Event{Topic: name, ID: e.at.Name[len(name)+1:], At: e.at}
	v.decode(value)
	return v
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
