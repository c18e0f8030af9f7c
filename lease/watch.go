package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// progressEvery is how often progress is asked for while it is owed: a member that lags, or whose watch is
// catching up, doesn't answer.
const progressEvery = 50 * time.Millisecond

// progressRequest asks where the watch stands. The watch has its stream to itself, so the answer is about it alone.
var progressRequest = &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}

// said is what a watch stream said: one response or the end.
type said struct {
	response *pb.WatchResponse
	err      error
}

// probe is a linearizable read of the revision: what was committed before at is at or below rev.
type probe struct {
	at  cluster.Instant
	rev int64
	err error
}

// watching is one watch stream and what goes on beside it. Its fields belong to the follower's goroutine.
//
// The stream is read only as fast as batches are taken, so a slow reader pushes back on etcd instead of
// filling this process; in the worst case it finds its revision compacted, and lists.
type watching struct {
	*follower
	remote  pb.Watch_WatchClient
	token   string
	created bool
	owed    []probe // not yet reached by the watch, oldest first
	listing *listing
}

// watch follows the keys from the revision after f.rev until something ends it.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	m := f.s.members[f.member]
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	limited, done := context.WithTimeout(ctx, f.s.cfg.DialTimeout)
	defer done()
	token, err := m.login.token(limited)
	if err != nil {
		return f.s.explain("watch", err)
	}
	if !connected(limited, m.watches) {
		return fmt.Errorf("watch %s: %w", m.endpoint, errNotSent)
	}
	remote, err := pb.NewWatchClient(m.watches).Watch(signed(ctx, token))
	if err != nil {
		return f.s.explain("watch", rpctypes.Error(err))
	}
	// No fragments: etcd takes quadratic time to cut a response, minutes for one of 40,000 events, and they would
	// have to be put together again, because a revision is told as a whole.
	create := &pb.WatchCreateRequest{Key: f.keys.first, RangeEnd: f.keys.end, StartRevision: f.rev + 1}
	// An error of Send is told by Recv.
	_ = remote.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}})

	words, probes := make(chan said), make(chan probe)
	running.Go(func() { hear(ctx, remote, words) })
	running.Go(func() { f.s.probe(ctx, f.keys.fresh, probes) })
	w := &watching{follower: f, remote: remote, token: token}
	defer func() { w.listing.join() }()
	defer cancel()
	return w.run(ctx, words, probes)
}

func (w *watching) run(ctx context.Context, words <-chan said, probes <-chan probe) error {
	silent := time.NewTimer(w.silence)
	defer silent.Stop()
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	recheck := time.NewTimer(time.Until(w.recheck))
	defer recheck.Stop()
	for {
		var err error
		select {
		case heard := <-words:
			err = w.hear(ctx, heard)
			silent.Reset(w.silence)
		case p := <-probes:
			if len(w.owed) == 0 {
				silent.Reset(w.silence)
			}
			err = w.owe(ctx, p)
		case <-progress.C:
			if w.created && len(w.owed) > 0 {
				_ = w.remote.Send(progressRequest)
			}
			continue
		case <-silent.C:
			if !w.created || len(w.owed) > 0 {
				return errSilent
			}
			continue
		case <-recheck.C:
			w.startListing(ctx)
		case page, ok := <-w.listing.next():
			if ok {
				w.listing.held = &page
			} else {
				err = w.endListing()
				recheck.Reset(time.Until(w.recheck))
			}
		case <-w.life.voided:
			err = fmt.Errorf("follow: %w", cluster.ErrRestored)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			err = w.relist(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// hear takes one response: creation, events, progress or the end.
func (w *watching) hear(ctx context.Context, heard said) error {
	if heard.err != nil {
		return w.ended(rpctypes.Error(heard.err))
	}
	r := heard.response
	switch {
	case r.CompactRevision != 0:
		return fmt.Errorf("watch from revision %d: %w", w.rev+1, rpctypes.ErrCompacted)
	case r.Canceled:
		return w.ended(rpctypes.Error(errors.New(r.CancelReason)))
	case r.Created:
		w.created = true
		return w.s.pin.saw(w.life, r.Header, 0)
	}
	rev := w.rev
	b := cluster.Batch{Records: make([]cluster.Record, len(r.Events))}
	for i, e := range r.Events {
		b.Records[i] = w.s.record(e.Kv)
		b.Records[i].Deleted = e.Type == mvccpb.Event_DELETE
		rev = max(rev, e.Kv.ModRevision)
	}
	if len(r.Events) == 0 {
		// Progress: the watch has told everything up to the revision of the header. With events the header may be
		// ahead of them, so there only the events count.
		rev = max(rev, r.Header.Revision)
	}
	if err := w.s.pin.saw(w.life, r.Header, rev); err != nil {
		return err
	}
	if len(r.Events) == 0 && rev == w.rev {
		return nil
	}
	w.rev, b.Rev = rev, rev
	b.Fresh = w.paid()
	w.listing.note(b.Records)
	return w.send(ctx, b)
}

// ended judges why a watch has ended.
func (w *watching) ended(err error) error {
	if tokenRefused(err) {
		w.s.members[w.member].login.drop(w.token)
		return fmt.Errorf("watch: %w", err)
	}
	return w.s.explain("watch", err)
}

// owe notes that the watch must reach the revision of a probe, or says so when it has.
func (w *watching) owe(ctx context.Context, p probe) error {
	switch {
	case errors.Is(p.err, cluster.ErrRestored):
		return fmt.Errorf("follow: %w", p.err)
	case p.err != nil:
		return nil
	case p.rev <= w.rev:
		return w.send(ctx, cluster.Batch{Rev: w.rev, Fresh: p.at})
	}
	w.owed = append(w.owed, p)
	if w.created {
		_ = w.remote.Send(progressRequest)
	}
	return nil
}

// paid takes the probes that the watch has reached and returns the instant of the newest, 0 for none.
func (w *watching) paid() (at cluster.Instant) {
	for len(w.owed) > 0 && w.owed[0].rev <= w.rev {
		at, w.owed = w.owed[0].at, w.owed[1:]
	}
	return at
}

// hear receives responses and passes them on, until the stream or ctx ends.
func hear(ctx context.Context, remote pb.Watch_WatchClient, words chan<- said) {
	for {
		r, err := remote.Recv()
		select {
		case words <- said{r, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// probe reads the revision now and then at intervals.
func (s *Store) probe(ctx context.Context, every time.Duration, probes chan<- probe) {
	for ctx.Err() == nil {
		began := time.Now()
		p := probe{at: Boottime()}
		p.rev, p.err = s.revision(ctx)
		select {
		case probes <- p:
		case <-ctx.Done():
			return
		}
		_ = pause(ctx, every-time.Since(began)) // The loop looks at ctx.
	}
}
