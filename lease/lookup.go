package lease

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/drm-cluster/drm/cluster"
)

// maxLookUp is how many keys are read in one request: what etcd takes by default.
const maxLookUp = 128

// onlyReads tells whether ops ask for nothing but reads, and of what.
func onlyReads(ops []cluster.Op) (paths []string, only bool) {
	for _, op := range ops {
		if op.Path != "" || len(op.If) > 0 {
			return nil, false
		}
		paths = append(paths, op.Read...)
	}
	return paths, true
}

// lookUp does ops that only read, all as of one revision. etcd answers a transaction of plain reads from one member, after a word
// with the leader; nested ones, as ops that write need them, go through the log, and every member reads all of it in turn.
func (s *Store) lookUp(ctx context.Context, ops []cluster.Op, paths []string) (answer cluster.Answer, err error) {
	found, rev, err := s.find(ctx, paths)
	if err != nil {
		return cluster.Answer{}, err
	}
	answer = cluster.Answer{Rev: rev, Results: make([]cluster.Result, len(ops))}
	for i, op := range ops {
		answer.Results[i] = cluster.Result{Done: true, Read: found[:len(op.Read):len(op.Read)]}
		found = found[len(op.Read):]
	}
	return answer, nil
}

// Read returns the records of paths, any number of them, as of one revision; Deleted where there is nothing. It is linearizable.
func (s *Store) Read(ctx context.Context, paths ...string) ([]cluster.Record, error) {
	found, _, err := s.find(ctx, paths)
	return found, s.explain("read keys", err)
}

// find reads the records of paths, at least once.
func (s *Store) find(ctx context.Context, paths []string) (found []cluster.Record, rev int64, err error) {
	found = make([]cluster.Record, 0, len(paths))
	for len(found) < len(paths) || rev == 0 {
		next := paths[len(found):min(len(found)+maxLookUp, len(paths))]
		response, err := s.readAll(ctx, next, rev)
		if err != nil {
			return nil, 0, err
		}
		if rev == 0 {
			rev = response.Header.Revision
		}
		for i, path := range next {
			found = append(found, s.found(path, response.Responses[i].GetResponseRange().Kvs, rev))
		}
	}
	return found, rev, nil
}

// readAll reads keys as of a revision, 0 for the newest. It may be done twice, so a member that is late costs little.
func (s *Store) readAll(ctx context.Context, paths []string, rev int64) (*pb.TxnResponse, error) {
	request := &pb.TxnRequest{Success: make([]*pb.RequestOp, len(paths))}
	for i, path := range paths {
		request.Success[i] = &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: s.key(path), Revision: rev}}}
	}
	return ask(ctx, s, "read", slow, func(ctx context.Context, m *member) (*pb.TxnResponse, error) { return s.txnOn(ctx, m, request) })
}
