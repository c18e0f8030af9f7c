package lease

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// withoutStream makes an etcd that can't stream a range, as those before 3.7.
func withoutStream(c *embed.Config) {
	refuse := func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		if info.FullMethod == "/etcdserverpb.KV/RangeStream" {
			return status.Error(codes.Unimplemented, "unknown method RangeStream")
		}
		return handle(server, stream)
	}
	c.GRPCAdditionalServerOptions = append(c.GRPCAdditionalServerOptions, grpc.ChainStreamInterceptor(refuse))
}

func TestFollowListsInPagesOfOneRevision(t *testing.T) {
	s := open(t, etcdtest.Start(t, withoutStream).Endpoints(), func(c *Config) { c.PageSize = 3 })
	listsOneRevision(t, s, 4)
}

func TestFollowListsAStreamOfOneRevision(t *testing.T) {
	listsOneRevision(t, open(t, etcdtest.Start(t).Endpoints()), 1)
}

// listsOneRevision has ten keys listed in so many parts.
func listsOneRevision(t *testing.T, s *Store, parts int) {
	t.Helper()
	empty := follow(t, s).complete()
	if len(empty) != 1 || len(empty[0].Records) != 0 || empty[0].Rev == 0 || empty[0].Fresh == 0 {
		t.Errorf("an empty range was listed as %+v; want one part", empty)
	}
	var ops []cluster.Op
	for i := range 10 {
		ops = append(ops, put(fmt.Sprintf("resources/a/%d", i)))
	}
	rev := commit(t, s, ops...).Rev
	got := follow(t, s).complete()
	if len(got) != parts || len(records(got)) != 10 {
		t.Fatalf("%d records in %d parts; want 10 in %d", len(records(got)), len(got), parts)
	}
	for i, p := range got {
		if !p.Listing || p.Complete != (i == parts-1) || p.Rev != rev {
			t.Errorf("part %d: listing %v, complete %v, revision %d; want revision %d", i, p.Listing, p.Complete, p.Rev, rev)
		}
	}
}

// A listing that loses its connection goes on where it was, as of the same revision: a million keys are not told twice
// because a member restarts. Seen to fail with the next attempt beginning at the first key, and with an end of the stream
// taken for the end of the range.
func TestAListingGoesOnAfterACut(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	direct := open(t, e.Endpoints())
	const keys, each = 100, 50_000
	for i := range keys {
		commit(t, direct, cluster.Op{Path: fmt.Sprintf("resources/a/%03d", i), Value: make([]byte, each)})
	}
	p := newProxy(t, e.Endpoint)
	f := follow(t, open(t, []string{p.Endpoint}))
	var got []cluster.Record
	cuts, rev := 0, int64(0)
	for complete := false; !complete; {
		b := f.until("a part", func(b cluster.Batch) bool { return b.Listing })
		part := b[len(b)-1]
		if rev != 0 && part.Rev != rev {
			t.Fatalf("a part is as of revision %d, those before as of %d", part.Rev, rev)
		}
		got, rev, complete = append(got, part.Records...), part.Rev, part.Complete
		if len(got) > (cuts+1)*keys/4 && cuts < 2 {
			cuts++
			p.cut()
			// What was changed meanwhile is none of the listing's.
			commit(t, direct, cluster.Op{Path: "resources/a/000", Delete: cuts == 1, Value: []byte("new")})
		}
	}
	if !slices.IsSortedFunc(got, func(a, b cluster.Record) int { return cmp.Compare(a.Path, b.Path) }) || len(got) != keys || cuts != 2 {
		t.Errorf("%d records with %d cuts, in order or not; want each of %d once", len(got), cuts, keys)
	}
}

// A member that falls silent in the midst of a listing costs a request timeout, and another one goes on. Seen to fail without the timer.
func TestAListingGoesOnWithAnotherMember(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t)
	direct := open(t, e.Endpoints())
	const keys = 100
	for i := range keys {
		commit(t, direct, cluster.Op{Path: fmt.Sprintf("resources/a/%03d", i), Value: make([]byte, 50_000)})
	}
	deaf, other := newProxy(t, e.Endpoint), newProxy(t, e.Endpoint)
	s := open(t, []string{deaf.Endpoint, other.Endpoint}, func(c *Config) { c.RequestTimeout = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // gRPC's own ping takes 16 s to notice
	defer cancel()
	n := 0
	err := s.list(ctx, s.control(), func(b cluster.Batch) error {
		n += len(b.Records)
		if !b.Complete {
			[]*proxy{deaf, other}[s.best.Load()].deaf.Store(true)
		}
		return nil
	})
	if err != nil || n != keys {
		t.Errorf("%d of %d records, %v", n, keys, err)
	}
}
