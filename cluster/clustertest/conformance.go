package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Cluster is a store under test.
type Cluster struct {
	// Store returns a client of the store, another one for each name.
	Store func(name string) cluster.Store
	// Clock is the clock from which clients take Ack.SentAt and Batch.Fresh.
	Clock func() cluster.Instant
	// TTL is the least TTL that the store grants.
	TTL time.Duration
}

// TestStore tells whether a store keeps the contract of cluster.Store. Each subtest calls open for an empty range of
// keys, several at a time; the store behind it may be shared, as no subtest counts revisions. Everything
// takes about as long as the longest lease lives, twice TTL and a little.
func TestStore(t *testing.T, open func(t *testing.T) Cluster) {
	for _, c := range conformance {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// conformance is what must hold for any store, a sentence each.
var conformance = []struct {
	sentence string
	test     func(*testing.T, Cluster)
}{
	{"a grant lasts at least as long as asked for, in whole seconds", testGrant},
	{"a renewal is acked with an instant from before it was sent", testRenew},
	{"a renewed lease outlives its TTL", testRenewed},
	{"an expired lease takes all its keys in one revision, not before its TTL", testExpiry},
	{"a revoked lease takes all its keys in one revision", testRevoke},
	{"renewing a lease that is gone is acked with a TTL of 0", testRenewGone},
	{"revoking a lease that is gone is no error", testRevokeGone},
	{"of two who create a key one wins and the others see it", testOneWinner},
	{"each op succeeds or fails alone", testAlone},
	{"all guards are evaluated before any write", testGuardsFirst},
	{"a put moves a key from one lease to another", testMove},
	{"a put without a lease takes a key off its lease", testDetach},
	{"an unknown lease rejects the whole request", testUnknownLease},
	{"an unknown lease behind guards that fail rejects nothing", testUnknownLeaseUnused},
	{"what is read is as of the revision of the writes", testRead},
	{"ops that only read are done as of one revision, however many", testLookUp},
	{"guards that fail tell the records they found", testFailedGuards},
	{"a delete is guarded by the revision", testDelete},
	{"a value comes back as it was put", testValues},
	{"a request holds MaxCommit ops and no more", testMaxCommit},
	{"an op holds MaxParts guards, reads and writes and no more", testMaxParts},
	{"a path written twice is refused", testTwice},
	{"calls end with their context", testContext},
	{"eight clients counting together lose no count", testCount},
	{"a follower is told the range and no other keys", testRange},
	{"a listing is followed by changes without gap or repeat", testGapless},
	{"all changes of one revision come in one batch", testWhole},
	{"everything committed before Fresh has been delivered", testFresh},
	{"Fresh keeps coming while nothing happens", testIdle},
	{"two followers are told the same", testSame},
}

// timeout is how long a test waits for what must come.
const timeout = 20 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// path names a claim for tests.
func path(n any) string { return cluster.ClaimPath(cluster.Key{Kind: "test", ID: fmt.Sprint(n)}) }

// anyLease is a lease id that nobody else has.
func anyLease() cluster.LeaseID {
	return cluster.TermID(1 + rand.Uint64N(1<<47-1)).Lease(0)
}

// grant grants a lease that lasts as long as the test, or what ttl says.
func grant(t *testing.T, s cluster.Store, ttl time.Duration) cluster.LeaseID {
	t.Helper()
	id := anyLease()
	if _, err := s.Grant(within(t), id, ttl); err != nil {
		t.Fatalf("Grant: %v", err)
	}
	return id
}

// commit commits ops.
func commit(t *testing.T, s cluster.Store, ops ...cluster.Op) cluster.Answer {
	t.Helper()
	answer, err := s.Commit(within(t), ops)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if len(answer.Results) != len(ops) {
		t.Fatalf("Commit of %d ops answered %d results", len(ops), len(answer.Results))
	}
	return answer
}

// done commits ops that must all be done, and returns their revision.
func done(t *testing.T, s cluster.Store, ops ...cluster.Op) int64 {
	t.Helper()
	answer := commit(t, s, ops...)
	for i, result := range answer.Results {
		if !result.Done {
			t.Fatalf("op %d on %s was not done", i, ops[i].Path)
		}
	}
	return answer.Rev
}

// read returns the records of paths.
func read(t *testing.T, s cluster.Store, paths ...string) []cluster.Record {
	t.Helper()
	records := commit(t, s, cluster.Op{Read: paths}).Results[0].Read
	if len(records) != len(paths) {
		t.Fatalf("reading %d paths found %d records", len(paths), len(records))
	}
	return records
}

func put(path, value string, on cluster.LeaseID) cluster.Op {
	return cluster.Op{Path: path, Value: []byte(value), Lease: on}
}

// wantRecord fails unless got is the record at path with a value, on a lease, as of rev.
func wantRecord(t *testing.T, got cluster.Record, path, value string, on cluster.LeaseID, rev int64) {
	t.Helper()
	if got.Path != path || string(got.Value) != value || got.Lease != on || got.Rev != rev || got.Deleted {
		t.Errorf("got record %+v, want %s = %q on lease %s at revision %d", got, path, value, on, rev)
	}
}

// wantAbsent fails unless got says that nothing is at path as of rev.
func wantAbsent(t *testing.T, got cluster.Record, path string, rev int64) {
	t.Helper()
	if got.Path != path || !got.Deleted || got.Rev != rev || len(got.Value) != 0 || got.Lease != 0 {
		t.Errorf("got record %+v, want %s deleted as of revision %d", got, path, rev)
	}
}
