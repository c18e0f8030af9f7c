package cluster

import (
	"context"
	"errors"
	"time"
)

// Store is what the protocol needs of a linearizable key-value store with leases. Paths are relative to the
// cluster's prefix. All methods may be called concurrently and block until they have an answer or ctx ends.
// Two implementations exist, lease.Store on etcd and clustertest.Memory; both pass clustertest.TestStore.
type Store interface {
	// Follow lists the control range and then delivers every later change, in revision order, until ctx ends
	// or it can't go on (ErrRestored, lasting lack of permission). It survives lost connections, compaction and expired
	// tokens by itself: after a compaction, and now and then in the background, it lists again. It sends a
	// Batch with a newer Fresh at least every second while the store answers.
	Follow(ctx context.Context, out chan<- Batch) error

	// Grant creates a lease under the id given, and returns the TTL granted, which may be longer than ttl
	// (whole seconds). Granting again what this call's own retry already granted is no error. A caller whose Grant went wrong
	// takes a new id: the lease may exist.
	Grant(ctx context.Context, id LeaseID, ttl time.Duration) (time.Duration, error)

	// Renew renews leases once and calls ack, one call at a time, as answers come; it returns when all have
	// been answered or ctx ends. A lease that no longer exists is acked with TTL 0.
	Renew(ctx context.Context, ids []LeaseID, ack func(Ack)) error

	// Revoke ends a lease and deletes its keys. A lease that is gone already is no error.
	Revoke(ctx context.Context, id LeaseID) error

	// Commit sends up to MaxCommit ops as one request in which each succeeds or fails alone; all guards are
	// evaluated before any write. Ops that all only read may take several requests, as of one revision. ErrLeaseNotFound and ErrRefused say that nothing was written; after any
	// other error the outcome is unknown, and may be decided later. All ops must be on one lease.
	Commit(ctx context.Context, ops []Op) (Answer, error)
}

// MaxCommit is how many ops one Commit may carry. etcd takes 128 operations in a request and what a nested
// transaction may hold is 128 less the size of the outer one.
const MaxCommit = 120

// MaxParts is how many guards an Op may have, and how many reads and writes together: what MaxCommit leaves of etcd's 128.
const MaxParts = 128 - MaxCommit

// Errors that a caller branches on.
var (
	// ErrLeaseNotFound: a lease named in the request doesn't exist, so nothing of it was written.
	ErrLeaseNotFound = errors.New("lease not found")
	// ErrRefused: the store took nothing of the request and says why (no space, no permission).
	ErrRefused = errors.New("refused by the store")
	// ErrRestored: the store is not the one it was: another cluster id, or a revision below one already
	// seen. Every lease and view taken from it is void. Commit answers so until Follow is called again.
	ErrRestored = errors.New("the store was restored or replaced")
)

// Ack is the answer to one renewal. SentAt was taken before the request that it answers was sent; a TTL of 0 or
// less says that the lease is gone.
type Ack struct {
	Lease  LeaseID
	SentAt Instant
	TTL    time.Duration
}

// Record is one key as of its last change.
type Record struct {
	Path    string
	Value   []byte
	Lease   LeaseID
	Rev     int64 // mod revision; of a deletion, its revision
	Created int64 // revision at which the key was created: Rev, unless it was there before; 0 of a deletion
	Deleted bool
}

// Batch is a step of what Follow tells.
type Batch struct {
	// Records are in revision order, and all changes of one revision are in one batch.
	Records []Record
	// Rev: everything up to this revision has been delivered with this batch. For a page of a listing, the
	// revision at which the range was listed.
	Rev int64
	// Listing marks a page of a listing, whose records are in no order; Complete marks its last page: what the
	// listing did not name and is not newer than Rev has been deleted. A page of another Rev before that begins a new
	// listing: the one before was cut off. Newer changes may come between the pages.
	Listing, Complete bool
	// Fresh, when not 0: this batch and those before it hold everything committed before this instant.
	Fresh Instant
}

// Op is one guarded write, with what to read beside it.
type Op struct {
	If    []Guard // all must hold for Then to be done
	Path  string  // what is written; "" writes nothing
	Value []byte
	// Delete deletes Path instead of putting Value.
	Delete bool
	Lease  LeaseID  // of the put; 0 for none
	Read   []string // read as of the same revision, when the guards hold; not to name Path
}

// Guard holds while the mod revision of the path is Rev; 0 stands for an absent key.
type Guard struct {
	Path string
	Rev  int64
}

// Answer is what a Commit did. Results are in the order of the ops.
type Answer struct {
	Rev     int64 // the store's revision after the request: that of every write in it
	Results []Result
}

// Result is what became of one Op.
type Result struct {
	Done bool // the guards held and the write was made
	// Read has a record for each path read, Deleted when it is absent (its Rev is then that of the
	// answer). When the guards did not hold it has the records of the guarded paths instead.
	Read []Record
}
