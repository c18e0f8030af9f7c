package clustertest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Put writes a key without a lease and returns its revision. A lease that the key was on no longer has it.
func (m *Memory) Put(path, value string) (rev int64) {
	m.do(func(now cluster.Instant) {
		m.state.put(path, []byte(value), 0)
		m.state.end(now)
		rev = m.state.rev
	})
	return rev
}

// Delete deletes a key and tells whether it was there.
func (m *Memory) Delete(path string) (existed bool) {
	m.do(func(now cluster.Instant) {
		_, existed = m.state.records[path]
		m.state.delete(path)
		m.state.end(now)
	})
	return existed
}

// Get returns the record of a key and whether it exists. Its Value is not to be modified.
func (m *Memory) Get(path string) (record cluster.Record, ok bool) {
	m.do(func(cluster.Instant) { record, ok = m.state.records[path] })
	return record, ok
}

// List returns the records whose paths begin with prefix, by path. Their Values are not to be modified.
func (m *Memory) List(prefix string) (records []cluster.Record) {
	m.do(func(cluster.Instant) {
		records = m.state.list(func(path string) bool { return strings.HasPrefix(path, prefix) })
	})
	return records
}

// Rev is the store's revision.
func (m *Memory) Rev() (rev int64) {
	m.do(func(cluster.Instant) { rev = m.state.rev })
	return rev
}

// Leases returns the leases that exist, by id.
func (m *Memory) Leases() (ids []cluster.LeaseID) {
	m.do(func(cluster.Instant) { ids = slices.Sorted(maps.Keys(m.state.leases)) })
	return ids
}

// TimeToLive returns how long the store would go on to keep a lease that nobody renews any more, and whether it
// exists. While the leader stands still that may be negative.
func (m *Memory) TimeToLive(id cluster.LeaseID) (left time.Duration, exists bool) {
	m.do(func(now cluster.Instant) {
		if l := m.state.leases[id]; l != nil {
			left, exists = l.expires.Sub(now), true
		}
	})
	return left, exists
}

// RevokeLease ends a lease, deletes its keys in one revision and tells whether it existed.
func (m *Memory) RevokeLease(id cluster.LeaseID) (existed bool) {
	m.do(func(now cluster.Instant) {
		existed = m.state.leases[id] != nil
		m.revoke(now, id)
	})
	return existed
}

// Compact drops the history. Whoever follows and has not been told everything yet has to list again.
func (m *Memory) Compact() {
	m.do(func(cluster.Instant) {
		m.state.compact()
		m.broadcast()
	})
}

// Snapshot is the store at one revision, for Restore.
type Snapshot struct {
	rev     int64
	records map[string]cluster.Record
	leases  map[cluster.LeaseID]time.Duration
}

// Snapshot copies what the store holds.
func (m *Memory) Snapshot() Snapshot {
	var s Snapshot
	m.do(func(cluster.Instant) {
		s = Snapshot{rev: m.state.rev, records: maps.Clone(m.state.records), leases: map[cluster.LeaseID]time.Duration{}}
		for id, l := range m.state.leases {
			s.leases[id] = l.ttl
		}
	})
	return s
}

// Restore replaces what the store holds by a snapshot, as an operator does after a disaster: the revision goes
// back, and leases that were long gone return with their whole TTL. Every client is answered ErrRestored until it
// follows anew; what it asks for meanwhile is done all the same, as etcd doesn't know what a client has seen.
func (m *Memory) Restore(s Snapshot) {
	m.do(func(now cluster.Instant) {
		m.life++
		m.state = newState()
		m.state.rev, m.state.compacted = s.rev, s.rev
		maps.Copy(m.state.records, s.records)
		for _, id := range slices.Sorted(maps.Keys(s.leases)) {
			m.begin(now, &lease{id: id, ttl: s.leases[id], paths: map[string]bool{}})
		}
		for path, r := range s.records {
			if l := m.state.leases[r.Lease]; l != nil {
				l.paths[path] = true
			}
		}
		m.broadcast()
	})
}
