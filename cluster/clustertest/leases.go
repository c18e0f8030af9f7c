package clustertest

import (
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// grant creates a lease.
func (m *Memory) grant(at cluster.Instant, id cluster.LeaseID, ttl time.Duration) (time.Duration, error) {
	switch {
	case m.settings.Full:
		return 0, fmt.Errorf("no space left: %w", cluster.ErrRefused)
	case id <= 0:
		return 0, fmt.Errorf("a lease id must be positive: %w", cluster.ErrRefused)
	case m.state.leases[id] != nil:
		return 0, fmt.Errorf("it exists already: %w", cluster.ErrRefused)
	}
	l := &lease{id: id, ttl: wholeSeconds(max(ttl, m.settings.MinTTL)), paths: map[string]bool{}}
	m.begin(at, l)
	return l.ttl, nil
}

func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// begin starts a lease's life. Its end goes on the agenda once and is put off there as the lease is renewed.
func (m *Memory) begin(at cluster.Instant, l *lease) {
	m.state.leases[l.id] = l
	m.refresh(l, at)
	m.agenda.add(l.removal, func(at cluster.Instant) { m.expire(at, l) })
}

// refresh gives a lease its whole TTL from an instant on. When its keys go after that is drawn anew, so that the leases
// of one node, renewed together, end in any order.
func (m *Memory) refresh(l *lease, from cluster.Instant) {
	l.expires = from.Add(l.ttl)
	l.removal = l.expires.Add(m.settings.ExpiryDelay.draw(m.rng))
}

// expire ends a lease whose time has come, or looks again when it will have.
func (m *Memory) expire(at cluster.Instant, l *lease) {
	switch {
	case m.state.leases[l.id] != l: // revoked, or the store was restored
	case at < l.removal:
		m.agenda.add(l.removal, func(at cluster.Instant) { m.expire(at, l) })
	default:
		m.state.remove(at, l)
	}
}

// renew answers with the TTL, 0 when the lease is gone. For one that has expired and whose keys are still
// there it answers when to ask again: etcd too lets such a renewal wait until the lease is gone, or a new leader has given it
// another life.
func (m *Memory) renew(at cluster.Instant, id cluster.LeaseID) (ttl time.Duration, again cluster.Instant) {
	l := m.state.leases[id]
	switch {
	case l == nil:
		return 0, 0
	case at < l.expires:
		m.refresh(l, at)
		return l.ttl, 0
	case m.rng.Float64() < m.settings.FalseAcks:
		return l.ttl, 0
	case at >= l.removal: // its end was drawn anew to be sooner than the agenda knows
		m.state.remove(at, l)
		return 0, 0
	}
	return 0, l.removal
}

func (m *Memory) revoke(at cluster.Instant, id cluster.LeaseID) {
	if l := m.state.leases[id]; l != nil {
		m.state.remove(at, l)
	}
}

// commit checks what etcd refuses outright, then commits.
func (m *Memory) commit(at cluster.Instant, ops []cluster.Op) (cluster.Answer, error) {
	if err := m.refuse(ops); err != nil {
		return cluster.Answer{}, fmt.Errorf("%w: %w", err, cluster.ErrRefused)
	}
	return m.state.commit(at, ops)
}

func (m *Memory) refuse(ops []cluster.Op) error {
	if len(ops) > cluster.MaxCommit {
		return fmt.Errorf("%d ops are too many, the most is %d", len(ops), cluster.MaxCommit)
	}
	written := map[string]bool{}
	on := cluster.LeaseID(0)
	for _, op := range ops {
		parts := len(op.Read)
		if op.Path != "" {
			parts++
		}
		switch {
		case len(op.If) > cluster.MaxParts || parts > cluster.MaxParts:
			return fmt.Errorf("%d guards and %d reads and writes are too many for an op, the most is %d each", len(op.If), parts, cluster.MaxParts)
		case op.Path == "":
			continue
		case written[op.Path]:
			return fmt.Errorf("%s is written twice", op.Path)
		case m.settings.Full && !op.Delete:
			return fmt.Errorf("put %s: no space left", op.Path)
		case on != 0 && op.Lease != 0 && op.Lease != on:
			return fmt.Errorf("put %s on lease %s: the request is on lease %s", op.Path, op.Lease, on)
		}
		written[op.Path] = true
		on = max(on, op.Lease)
	}
	return nil
}
