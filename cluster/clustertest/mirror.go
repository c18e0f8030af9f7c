package clustertest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// mirror is the range as a follower is told of it. It checks each batch against the contract as it folds it. It belongs to
// the goroutine of its test.
type mirror struct {
	t       *testing.T
	clock   func() cluster.Instant
	batches chan cluster.Batch

	listed  bool
	rev     int64
	fresh   cluster.Instant
	records map[string]cluster.Record
	changes []cluster.Record // all that were told as changes
	naming  map[string]bool  // by the pages of the listing under way
	page    int64            // its revision
}

// follow starts a mirror that ends with its test.
func follow(t *testing.T, s cluster.Store, clock func() cluster.Instant) *mirror {
	m := &mirror{
		t: t, clock: clock,
		batches: make(chan cluster.Batch),
		records: map[string]cluster.Record{},
		naming:  map[string]bool{},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Follow(ctx, m.batches) }()
	t.Cleanup(func() {
		cancel()
		for {
			select {
			case <-m.batches:
			case err := <-ended:
				if ctx.Err() == nil {
					t.Errorf("Follow ended before its context: %v", err)
				}
				return
			}
		}
	})
	return m
}

// until folds batches until something holds.
func (m *mirror) until(what string, holds func() bool) {
	m.t.Helper()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for !m.listed || !holds() {
		select {
		case b := <-m.batches:
			m.fold(b)
		case <-limit.C:
			m.t.Fatalf("%s: not seen within %v; told up to revision %d", what, timeout, m.rev)
		}
	}
}

// reach folds batches until a revision has been told.
func (m *mirror) reach(rev int64) {
	m.t.Helper()
	m.until("reach a revision", func() bool { return m.rev >= rev })
}

func (m *mirror) fold(b cluster.Batch) {
	m.t.Helper()
	for _, r := range b.Records {
		if !controlled(r.Path) {
			m.t.Errorf("told of %s, which is outside the control range", r.Path)
		}
		if r.Rev > b.Rev {
			m.t.Errorf("a batch up to revision %d holds %s at %d", b.Rev, r.Path, r.Rev)
		}
	}
	if b.Listing {
		m.list(b)
	} else {
		m.change(b)
	}
	if b.Fresh == 0 {
		return
	}
	if now := m.clock(); b.Fresh <= m.fresh || b.Fresh > now {
		m.t.Errorf("Fresh is %d; it must be after the last, %d, and not after now, %d", b.Fresh, m.fresh, now)
	}
	m.fresh = b.Fresh
}

func (m *mirror) change(b cluster.Batch) {
	m.t.Helper()
	if !m.listed {
		m.t.Errorf("told of changes before the range was listed: %+v", b)
	}
	if b.Rev < m.rev {
		m.t.Errorf("changes up to revision %d came after %d", b.Rev, m.rev)
	}
	last := m.rev + 1 // a batch holds whole revisions, so none goes on with the last one of the batch before
	for _, r := range b.Records {
		if r.Rev < last {
			m.t.Errorf("told of %s at revision %d, out of order: %d was told before", r.Path, r.Rev, last)
		}
		last = r.Rev
		m.put(r)
		m.changes = append(m.changes, r)
	}
	m.rev = max(m.rev, b.Rev)
}

func (m *mirror) list(b cluster.Batch) {
	m.t.Helper()
	if b.Rev != m.page { // another listing: the one before may have been given up
		m.page = b.Rev
		clear(m.naming)
	}
	for _, r := range b.Records {
		if m.naming[r.Path] {
			m.t.Errorf("a listing names %s twice", r.Path)
		}
		if r.Deleted {
			m.t.Errorf("a listing names %s as deleted", r.Path)
		}
		m.naming[r.Path] = true
		m.put(r)
	}
	if !b.Complete {
		return
	}
	maps.DeleteFunc(m.records, func(path string, r cluster.Record) bool { return !m.naming[path] && r.Rev <= b.Rev })
	clear(m.naming)
	m.page, m.listed, m.rev = 0, true, max(m.rev, b.Rev)
}

// put keeps the newest record of each path.
func (m *mirror) put(r cluster.Record) {
	if r.Rev >= m.records[r.Path].Rev {
		m.records[r.Path] = r
	}
}

// has tells whether a path is there.
func (m *mirror) has(path string) bool {
	r, ok := m.records[path]
	return ok && !r.Deleted
}

// deletions returns the revisions at which paths were deleted, by path; only those that are.
func (m *mirror) deletions(paths ...string) map[string]int64 {
	found := map[string]int64{}
	for _, path := range paths {
		if r := m.records[path]; r.Deleted {
			found[path] = r.Rev
		}
	}
	return found
}
