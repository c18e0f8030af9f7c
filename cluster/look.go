package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Snapshot is the cluster as somebody sees it who takes no part in it: the view and the plan that the nodes have, made of the
// same keys by the same code. What only nodes know is missing: how a resource fares at its holder, and what they remember,
// such as a claim deleted under a living holder before the snapshot was begun.
//
// Its methods are for one goroutine.
type Snapshot struct {
	view *view
	now  Instant
	wall time.Time
}

// Look lists the store and returns what it holds. It blocks until the listing is complete, ctx ends or the store can't go on; it
// writes nothing.
func Look(ctx context.Context, store Store, clock func() Instant) (*Snapshot, error) {
	var seen *Snapshot
	err := Watch(ctx, store, clock, func(s *Snapshot) bool {
		seen = s
		return false
	})
	return seen, err
}

// Watch follows the store and calls see once all is listed, then after each batch of changes and at least every second while the store
// answers, until see returns false. The snapshot is the same one each time, brought up to date. It blocks, writes nothing, and
// returns an error when ctx ends or the store can't go on.
func Watch(ctx context.Context, store Store, clock func() Instant, see func(*Snapshot) (more bool)) error {
	following, cancel := context.WithCancel(ctx)
	batches := make(chan Batch, 16)
	ended := make(chan error, 1)
	go func() {
		ended <- store.Follow(following, batches)
		close(batches)
	}()
	s, first, more := &Snapshot{view: newView("")}, true, true
	for b := range batches {
		if !more {
			continue // Follow may be blocked on it
		}
		s.fold(b, clock())
		if !s.view.listing.done || b.Listing && !b.Complete {
			continue
		}
		if first || s.view.replanDue(s.now) {
			s.view.replan(s.now)
			first = false
		}
		if more = see(s); !more {
			cancel()
		}
	}
	cancel()
	switch err := <-ended; {
	case !more:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("look at the cluster: %w", context.Cause(ctx))
	default:
		return fmt.Errorf("look at the cluster: %w", err)
	}
}

func (s *Snapshot) fold(b Batch, now Instant) {
	s.now, s.wall = now, time.Now()
	s.view.fold(b, now, func(*slot, Record) {})
	s.view.wake(now)
	s.view.takeNews()
	s.view.takeMalformed()
}

// Rev is the revision up to which everything has been seen.
func (s *Snapshot) Rev() int64 { return s.view.rev }

// Cluster tells of the whole cluster.
func (s *Snapshot) Cluster() ClusterInfo { return s.view.clusterInfo(s.now, s.wall) }

// Cordons returns the cordons there are, by node, which need not be there.
func (s *Snapshot) Cordons() map[string]Cordon {
	all := make(map[string]Cordon, len(s.view.cordons))
	for node, c := range s.view.cordons {
		all[node] = c.Cordon
	}
	return all
}

// Node tells of a node that is there, false if it is not.
func (s *Snapshot) Node(id string) (NodeInfo, bool) {
	p := s.view.peer(id)
	if p == nil {
		return NodeInfo{}, false
	}
	return s.view.nodeInfo(p), true
}

// Resource tells of one resource, false if there is none.
func (s *Snapshot) Resource(key Key) (ResourceInfo, bool) {
	slot := s.view.slots[key]
	if slot == nil {
		return ResourceInfo{}, false
	}
	return s.view.resourceInfo(slot, s.now, s.wall), true
}

// Resources returns the resources of a kind, or with "" of all, by key.
func (s *Snapshot) Resources(kind string) []ResourceInfo {
	var infos []ResourceInfo
	for _, slot := range s.view.page(kind, Key{}, len(s.view.slots)+1) {
		infos = append(infos, s.view.resourceInfo(slot, s.now, s.wall))
	}
	return infos
}

// Held returns what is claimed on leases of a node, of all its terms, in no order.
func (s *Snapshot) Held(node string) []Key {
	var keys []Key
	for _, p := range s.view.terms {
		if p.id != node {
			continue
		}
		for slot := range p.held.all() {
			keys = append(keys, slot.key)
		}
	}
	return keys
}

// Drained tells whether a node has acknowledged the drain that its cordon asks for: what it holds only gets less from there on. A
// node that is gone has.
func (s *Snapshot) Drained(node string) bool {
	p, drain := s.view.peer(node), s.view.drain(node)
	return drain != 0 && (p == nil || p.Draining == drain)
}

// Bound returns what would stay with a node if it were drained now, since nobody else could take it, with the reasons, by key.
func (s *Snapshot) Bound(node string) []PendingInfo {
	v, p := s.view, s.view.peer(node)
	if p == nil {
		return nil
	}
	p.cordoned, p.draining = true, true
	v.reconsider(p, step{now: s.now})
	var bound []PendingInfo
	for slot := range p.held.all() {
		if slot.live() && slot.target == nil {
			reason := v.pendingReason(slot.class)
			bound = append(bound, PendingInfo{Key: slot.key, Reason: reason, Detail: v.unheldDetail(slot, reason, s.now), Since: s.wall})
		}
	}
	if v.heed(p) {
		v.reconsider(p, step{now: s.now})
	}
	slices.SortFunc(bound, func(a, b PendingInfo) int { return a.Key.Compare(b.Key) })
	return bound
}
