package lease

import (
	"context"
	"errors"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"

	"github.com/drm-cluster/drm/cluster"
)

// lister reads keys as of one revision and passes them on in batches: at least one, even when there are none.
// Whatever interrupts it, it goes on after the last key that it has passed on, with another member if need be.
type lister struct {
	s     *Store
	keys  keys
	each  func(cluster.Batch) error
	rev   int64  // that is listed
	from  []byte // the first key not passed on yet
	done  bool
	ended error // what each returned: the end
}

// list reads keys. etcd before 3.7 can't stream them, and gives pages.
func (s *Store) list(ctx context.Context, keys keys, each func(cluster.Batch) error) error {
	rev, err := s.revision(ctx)
	if err != nil {
		return s.explain("list keys", err)
	}
	l := &lister{s: s, keys: keys, each: each, rev: rev, from: keys.first}
	err = l.stream(ctx)
	if codeOf(err) == codes.Unimplemented {
		err = l.pages(ctx)
	}
	if l.ended != nil {
		return l.ended
	}
	return s.explain("list keys", err)
}

// stream has one member after the other stream what is left, until it is done or no member gets any further.
func (l *lister) stream(ctx context.Context) error {
	next := int(l.s.best.Load())
	for failed := 1; ; failed++ {
		m := l.s.members[next%len(l.s.members)]
		before := l.from
		err := m.call(ctx, func(ctx context.Context) error { return l.streamFrom(ctx, m) })
		if l.done || l.ended != nil {
			return nil
		}
		if string(before) != string(l.from) {
			failed = 1
		}
		if ctx.Err() != nil || !elsewhere(err) || failed > len(l.s.members) {
			return err
		}
		next++
		_ = pause(ctx, roundPause(failed, len(l.s.members))) // the next attempt looks at ctx
	}
}

// errLate ends a stream that says nothing for as long as a request may take.
var errLate = errors.New("the member was silent for too long")

// streamFrom passes on what a member streams. etcd chooses the size of each part, about 1.5 MiB, and holds the next one
// back until this one is taken, so that neither side ever has the whole range in memory.
func (l *lister) streamFrom(ctx context.Context, m *member) error {
	before, err := l.s.pin.mark()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(l.s.cfg.RequestTimeout, func() { cancel(errLate) })
	defer late.Stop()
	remote, err := pb.NewKVClient(m.requests).RangeStream(ctx, &pb.RangeRequest{
		Key: l.from, RangeEnd: l.keys.end, Revision: l.rev, KeysOnly: l.keys.only,
	})
	if err != nil {
		return err
	}
	for {
		began := time.Now()
		late.Reset(l.s.cfg.RequestTimeout)
		part, err := remote.Recv()
		late.Stop()
		if codeOf(err) != codes.Unimplemented {
			l.s.cfg.Observe("list", time.Since(began), err)
		}
		switch {
		case errors.Is(context.Cause(ctx), errLate):
			return errLate
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF // the last part is known by its header
		case err != nil:
			return err
		}
		header := part.RangeResponse.Header
		if header != nil {
			if err := l.s.pin.check(before, header); err != nil {
				return err
			}
			l.s.best.Store(int32(m.index))
		}
		if l.pass(part.RangeResponse.Kvs, header != nil); l.done || l.ended != nil {
			return nil
		}
	}
}

// pages reads what is left in pages. They are large, because etcd walks the rest of the range for each of them to count it.
func (l *lister) pages(ctx context.Context) error {
	for !l.done && l.ended == nil {
		page, err := l.s.read(ctx, "list", &pb.RangeRequest{
			Key: l.from, RangeEnd: l.keys.end, Limit: int64(l.s.cfg.PageSize), Revision: l.rev, KeysOnly: l.keys.only,
		})
		if err != nil {
			return err
		}
		l.pass(page.Kvs, !page.More)
	}
	return nil
}

// pass passes a part of the range on.
func (l *lister) pass(kvs []*mvccpb.KeyValue, complete bool) {
	batch := cluster.Batch{Rev: l.rev, Listing: true, Complete: complete, Records: make([]cluster.Record, len(kvs))}
	for i, kv := range kvs {
		batch.Records[i] = l.s.record(kv)
	}
	if len(kvs) > 0 {
		l.from = append(kvs[len(kvs)-1].Key, 0) // the next possible key
	}
	l.done = complete
	l.ended = l.each(batch)
}

// Revision reads the store's revision: everything committed before the call is at or below it.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	rev, err := s.revision(ctx)
	return rev, s.explain("read the revision", err)
}

// revision reads the store's revision: everything committed before the call is at or below it.
func (s *Store) revision(ctx context.Context) (int64, error) {
	answer, err := s.read(ctx, "read", &pb.RangeRequest{Key: s.key(cluster.ControlFirst), CountOnly: true})
	return answer.GetHeader().GetRevision(), err
}

// read does a linearizable read, judged by the pin.
func (s *Store) read(ctx context.Context, op string, request *pb.RangeRequest) (*pb.RangeResponse, error) {
	patience := s.patience()
	if op == "list" {
		patience = slow
	}
	return ask(ctx, s, op, patience, func(ctx context.Context, m *member) (*pb.RangeResponse, error) {
		before, err := s.pin.mark()
		if err != nil {
			return nil, err
		}
		var answer *pb.RangeResponse
		err = m.call(ctx, func(ctx context.Context) (err error) {
			answer, err = pb.NewKVClient(m.requests).Range(ctx, request)
			return err
		})
		if err != nil {
			return nil, err
		}
		return answer, s.pin.check(before, answer.Header)
	})
}
