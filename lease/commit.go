package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// Commit does the ops as nested transactions of one request. See cluster.Store. What is wrong with the ops
// themselves is ErrRefused too.
func (s *Store) Commit(ctx context.Context, ops []cluster.Op) (answer cluster.Answer, err error) {
	if len(ops) == 0 {
		return cluster.Answer{}, nil
	}
	if err := checkOps(ops); err != nil {
		return cluster.Answer{}, fmt.Errorf("commit: %w: %w", cluster.ErrRefused, err)
	}
	if paths, only := onlyReads(ops); only {
		answer, err := s.lookUp(ctx, ops, paths)
		return answer, s.explain("look up", err)
	}
	began, answered := time.Now(), s.trace(ctx, ops)
	defer func() {
		s.cfg.Observe("commit", time.Since(began), err)
		answered(answer, err)
	}()
	request := &pb.TxnRequest{Success: make([]*pb.RequestOp, len(ops))}
	for i, op := range ops {
		request.Success[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: s.nested(op)}}
	}
	response, err := s.txn(ctx, request)
	if err != nil {
		return cluster.Answer{}, s.explain("commit", err)
	}
	return s.answer(ops, response)
}

func checkOps(ops []cluster.Op) error {
	if len(ops) > cluster.MaxCommit {
		return fmt.Errorf("%d ops in one request; %d is the most", len(ops), cluster.MaxCommit)
	}
	written := make(map[string]bool, len(ops))
	var lease cluster.LeaseID
	for _, op := range ops {
		parts := len(op.Read)
		if op.Path != "" {
			parts++
		}
		switch {
		case written[op.Path]:
			return fmt.Errorf("%s is written twice in one request; put the writes into two", op.Path)
		case len(op.If) > cluster.MaxParts || parts > cluster.MaxParts:
			return fmt.Errorf("the op on %q has %d guards and %d reads and writes; %d of each is the most",
				op.Path, len(op.If), parts, cluster.MaxParts)
		case op.Lease != 0 && (op.Delete || op.Path == ""):
			return fmt.Errorf("the op on %q names a lease but puts nothing", op.Path)
		case op.Lease != 0 && lease != 0 && op.Lease != lease:
			return fmt.Errorf("leases %v and %v in one request; a lease that is gone would fail the other's ops", lease, op.Lease)
		}
		if op.Path != "" {
			written[op.Path] = true
		}
		if op.Lease != 0 {
			lease = op.Lease
		}
	}
	return nil
}

// nested returns the transaction of one op.
func (s *Store) nested(op cluster.Op) *pb.TxnRequest {
	t := &pb.TxnRequest{}
	for _, g := range op.If {
		key := s.key(g.Path)
		// An absent key compares as revision 0.
		t.Compare = append(t.Compare, &pb.Compare{
			Key: key, Target: pb.Compare_MOD, Result: pb.Compare_EQUAL, TargetUnion: &pb.Compare_ModRevision{ModRevision: g.Rev},
		})
		t.Failure = append(t.Failure, read(key))
	}
	switch {
	case op.Path == "":
	case op.Delete:
		d := &pb.DeleteRangeRequest{Key: s.key(op.Path)}
		t.Success = append(t.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: d}})
	default:
		p := &pb.PutRequest{Key: s.key(op.Path), Value: op.Value, Lease: int64(op.Lease)}
		t.Success = append(t.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: p}})
	}
	for _, path := range op.Read {
		t.Success = append(t.Success, read(s.key(path)))
	}
	return t
}

func read(key []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}}
}

// txn sends a transaction once, to the first member that is connected and knows a leader: one that isn't has
// certainly not taken it. After any other trouble nobody can tell, so it is not sent again.
func (s *Store) txn(ctx context.Context, request *pb.TxnRequest) (*pb.TxnResponse, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	start := int(s.best.Load())
	for i := 0; ; i++ {
		m := s.members[(start+i)%len(s.members)]
		response, err := s.txnOn(ctx, m, request)
		if err == nil {
			s.best.Store(int32(m.index))
			return response, nil
		}
		if ctx.Err() != nil && s.best.Load() == int32(m.index) {
			// It may be frozen: let the next request try another.
			s.best.Store(int32((m.index + 1) % len(s.members)))
		}
		if !errors.Is(err, errNotSent) && !errors.Is(err, rpctypes.ErrNoLeader) {
			return nil, err
		}
		if pause(ctx, roundPause(i+1, len(s.members))) != nil {
			return nil, unanswered(ctx, err)
		}
	}
}

var errNotSent = errors.New("not connected")

func (s *Store) txnOn(ctx context.Context, m *member, request *pb.TxnRequest) (*pb.TxnResponse, error) {
	if !connected(ctx, m.requests) {
		return nil, fmt.Errorf("%s: %w", m.endpoint, errNotSent)
	}
	var response *pb.TxnResponse
	before, err := s.pin.mark()
	if err != nil {
		return nil, err
	}
	err = m.call(ctx, func(ctx context.Context) (err error) {
		response, err = pb.NewKVClient(m.requests).Txn(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, s.pin.check(before, response.Header)
}

func (s *Store) answer(ops []cluster.Op, response *pb.TxnResponse) (cluster.Answer, error) {
	a := cluster.Answer{Rev: response.Header.Revision, Results: make([]cluster.Result, len(ops))}
	for i, op := range ops {
		nested := response.Responses[i].GetResponseTxn()
		a.Results[i].Done = nested.Succeeded
		paths, ranges := op.Read, nested.Responses
		if !nested.Succeeded {
			paths = make([]string, len(op.If))
			for j, g := range op.If {
				paths[j] = g.Path
			}
		} else if op.Path != "" {
			ranges = ranges[1:]
		}
		for j, path := range paths {
			a.Results[i].Read = append(a.Results[i].Read, s.found(path, ranges[j].GetResponseRange().Kvs, a.Rev))
		}
	}
	return a, nil
}

// found is the record of one path read at a revision.
func (s *Store) found(path string, kvs []*mvccpb.KeyValue, rev int64) cluster.Record {
	if len(kvs) == 0 {
		return cluster.Record{Path: path, Rev: rev, Deleted: true}
	}
	return s.record(kvs[0])
}

func (s *Store) record(kv *mvccpb.KeyValue) cluster.Record {
	return cluster.Record{
		Path: string(kv.Key[len(s.cfg.Prefix):]), Value: kv.Value, Lease: cluster.LeaseID(kv.Lease),
		Rev: kv.ModRevision, Created: kv.CreateRevision,
	}
}

func (s *Store) key(path string) []byte { return []byte(s.cfg.Prefix + path) }

// pause waits; the error says that ctx ended first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
