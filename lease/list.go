package lease

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/drm-cluster/drm/cluster"
)

// list reads the control range as of one revision and passes its pages on; at least one, even when it is empty.
// Pages are large, because etcd walks the rest of the range for each of them to count it.
func (s *Store) list(ctx context.Context, each func(cluster.Batch) error) error {
	var rev int64
	from := s.key(cluster.ControlFirst)
	for {
		page, err := s.read(ctx, "list", &pb.RangeRequest{
			Key: from, RangeEnd: s.key(cluster.ControlEnd), Limit: int64(s.cfg.PageSize), Revision: rev,
		})
		if err != nil {
			return s.explain("list keys", err)
		}
		if rev == 0 {
			rev = page.Header.Revision
		}
		batch := cluster.Batch{Rev: rev, Listing: true, Complete: !page.More, Records: make([]cluster.Record, len(page.Kvs))}
		for i, kv := range page.Kvs {
			batch.Records[i] = s.record(kv)
		}
		if err := each(batch); err != nil || batch.Complete {
			return err
		}
		// The next possible key after the last one of this page.
		from = append(page.Kvs[len(page.Kvs)-1].Key, 0)
	}
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
