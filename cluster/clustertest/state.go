package clustertest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// state is what the store holds. It has no clock, no lock and no connection: every method is told when it
// happens.
type state struct {
	rev       int64
	records   map[string]cluster.Record
	leases    map[cluster.LeaseID]*lease
	history   []change
	compacted int64 // history up to here is gone

	writing []cluster.Record // of the revision being made
}

// lease is a lease and the keys that end with it.
type lease struct {
	id      cluster.LeaseID
	ttl     time.Duration
	expires cluster.Instant // from here on it can't be renewed
	removal cluster.Instant // and here its keys go
	paths   map[string]bool
}

// change is one revision, as far as it touched the control range.
type change struct {
	rev     int64
	at      cluster.Instant
	records []cluster.Record
}

func newState() state {
	return state{
		rev:     1, // as an empty etcd
		records: map[string]cluster.Record{},
		leases:  map[cluster.LeaseID]*lease{},
	}
}

// commit does what cluster.Store promises of Commit, all at one revision.
func (s *state) commit(at cluster.Instant, ops []cluster.Op) (cluster.Answer, error) {
	holds := make([]bool, len(ops))
	for i, op := range ops {
		holds[i] = s.hold(op.If)
		if holds[i] && puts(op) && op.Lease != 0 && s.leases[op.Lease] == nil {
			return cluster.Answer{}, fmt.Errorf("put %s on lease %s: %w", op.Path, op.Lease, cluster.ErrLeaseNotFound)
		}
	}
	results := make([]cluster.Result, len(ops))
	for i, op := range ops {
		read := op.Read
		if holds[i] {
			s.write(op)
		} else {
			read = guarded(op.If)
		}
		results[i] = cluster.Result{Done: holds[i], Read: s.read(read)}
	}
	s.end(at)
	for _, result := range results {
		for i := range result.Read {
			if result.Read[i].Deleted {
				result.Read[i].Rev = s.rev
			}
		}
	}
	return cluster.Answer{Rev: s.rev, Results: results}, nil
}

func (s *state) hold(guards []cluster.Guard) bool {
	return !slices.ContainsFunc(guards, func(g cluster.Guard) bool { return s.records[g.Path].Rev != g.Rev })
}

func guarded(guards []cluster.Guard) []string {
	paths := make([]string, len(guards))
	for i, g := range guards {
		paths[i] = g.Path
	}
	return paths
}

// read returns a record for each path; the caller fills in the revision at which an absent one was absent.
func (s *state) read(paths []string) []cluster.Record {
	var found []cluster.Record
	for _, path := range paths {
		r, ok := s.records[path]
		if !ok {
			r = cluster.Record{Path: path, Deleted: true}
		}
		found = append(found, r)
	}
	return found
}

func (s *state) write(op cluster.Op) {
	switch {
	case op.Path == "":
	case op.Delete:
		s.delete(op.Path)
	default:
		s.put(op.Path, op.Value, op.Lease)
	}
}

// put, delete and end make one revision: the writes, then end.
func (s *state) put(path string, value []byte, on cluster.LeaseID) {
	s.detach(path)
	if l := s.leases[on]; l != nil {
		l.paths[path] = true
	}
	r := cluster.Record{Path: path, Value: bytes.Clone(value), Lease: on, Rev: s.rev + 1, Created: s.rev + 1}
	if before, ok := s.records[path]; ok {
		r.Created = before.Created
	}
	s.records[path] = r
	s.writing = append(s.writing, r)
}

func (s *state) delete(path string) {
	if _, ok := s.records[path]; !ok {
		return // deleting what isn't there makes no revision
	}
	s.detach(path)
	delete(s.records, path)
	s.writing = append(s.writing, cluster.Record{Path: path, Rev: s.rev + 1, Deleted: true})
}

func (s *state) detach(path string) {
	if l := s.leases[s.records[path].Lease]; l != nil {
		delete(l.paths, path)
	}
}

func (s *state) end(at cluster.Instant) {
	if len(s.writing) == 0 {
		return
	}
	s.rev++
	records := slices.DeleteFunc(s.writing, func(r cluster.Record) bool { return !controlled(r.Path) })
	s.history = append(s.history, change{rev: s.rev, at: at, records: records})
	s.writing = nil
}

// remove ends a lease and deletes its keys in one revision.
func (s *state) remove(at cluster.Instant, l *lease) {
	for _, path := range slices.Sorted(maps.Keys(l.paths)) {
		s.delete(path)
	}
	delete(s.leases, l.id)
	s.end(at)
}

// since returns the history after a revision.
func (s *state) since(rev int64) []change {
	i := sort.Search(len(s.history), func(i int) bool { return s.history[i].rev > rev })
	return s.history[i:]
}

func (s *state) compact() {
	s.compacted = s.rev
	s.history = nil
}

// list returns the records whose paths pass, by path.
func (s *state) list(pass func(path string) bool) []cluster.Record {
	var found []cluster.Record
	for _, path := range slices.Sorted(maps.Keys(s.records)) {
		if pass(path) {
			found = append(found, s.records[path])
		}
	}
	return found
}

func controlled(path string) bool { return path >= cluster.ControlFirst && path < cluster.ControlEnd }

func puts(op cluster.Op) bool { return op.Path != "" && !op.Delete }
