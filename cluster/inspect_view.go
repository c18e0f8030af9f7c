package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const maxExamples = 100

// unheldReason says why no living node holds a resource: one of the Unheld constants; "" when one does, or nobody should.
func (v *view) unheldReason(s *slot) string {
	switch {
	case !s.exists() || !s.unheld():
		return ""
	case s.bad:
		return UnheldInvalid
	case s.paused:
		return UnheldPaused
	case s.on == &v.resting:
		return UnheldDeleted
	case s.target == nil:
		return v.pendingReason(s.class)
	}
	return UnheldWaiting
}

// unheldDetail says the same in a sentence for people.
func (v *view) unheldDetail(s *slot, reason string, now Instant) string {
	switch reason {
	case UnheldInvalid:
		return v.unusable[ResourcePath(s.key)].err
	case UnheldPaused:
		return "its spec says so"
	case UnheldDeleted:
		wait := max(0, v.notBefore[s].Sub(now)).Round(time.Millisecond)
		return fmt.Sprintf("its claim was deleted while its holder lived, which may run it still; it is free in %s", wait)
	case UnheldCapacity:
		return fmt.Sprintf("all %d nodes that could are full; raise --capacity or add a node", len(s.class.able))
	case UnheldNoNode:
		return fmt.Sprintf("none of %d nodes is to be given anything: all are cordoned, drained, leaving or of another version", len(v.members))
	case UnheldKind:
		return fmt.Sprintf("no node runs kind %s; the nodes run %s", s.key.Kind, strings.Join(v.kindsTaken(), ", "))
	case UnheldRequires:
		return fmt.Sprintf("no ready node that runs kind %s has the labels required:%s", s.key.Kind, labelled(" ", s.class.requires))
	}
	if s.holder != nil {
		return fmt.Sprintf("node %s is gone; when its lease %s ends, %s claims it", s.holder.id, s.lease, s.target.id)
	}
	return fmt.Sprintf("node %s is about to claim it", s.target.id)
}

// pendingReason says why nobody can take resources of a class.
func (v *view) pendingReason(c *class) string {
	takers, run := 0, 0
	for _, p := range v.members {
		if p.takes() {
			takers++
			if slices.Contains(p.Kinds, c.kind) {
				run++
			}
		}
	}
	switch {
	case len(c.able) > 0:
		return UnheldCapacity
	case takers == 0:
		return UnheldNoNode
	case run == 0:
		return UnheldKind
	}
	return UnheldRequires
}

// kindsTaken are the kinds that some node runs which may be given something.
func (v *view) kindsTaken() []string {
	var kinds []string
	for _, p := range v.members {
		for _, kind := range p.Kinds {
			if p.takes() && !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	slices.Sort(kinds)
	return kinds
}

// unheldLists yields the lists of those without a holder with the reason that all on one share. One kind is left out: what a
// node that is gone still has claims on.
func (v *view) unheldLists(yield func(reason string, l *list)) {
	yield(UnheldPaused, &v.paused)
	yield(UnheldInvalid, &v.invalid)
	yield(UnheldDeleted, &v.resting)
	for _, c := range v.classes {
		yield(v.pendingReason(c), &c.pending)
	}
	for _, p := range v.members {
		yield(UnheldWaiting, &p.wanted)
	}
}

// gauges counts nodes by state, resources by kind and those without a holder by reason. It doesn't look at each of them, and
// takes what a dead node has claims on for waiting, though nobody may have room for it.
func (v *view) gauges(now Instant, wall time.Time) (nodes, resources map[string]int, unheld map[string]Unheld) {
	nodes = map[string]int{stateReady: 0, stateLeaving: 0, stateCordoned: 0, stateDraining: 0, stateAiling: 0}
	for _, p := range v.members {
		nodes[p.state()]++
	}
	resources = map[string]int{}
	for _, c := range v.classes {
		resources[c.kind] += c.resources
	}
	unheld = map[string]Unheld{}
	for _, reason := range []string{
		UnheldWaiting, UnheldPaused, UnheldInvalid, UnheldKind, UnheldRequires, UnheldCapacity, UnheldNoNode, UnheldDeleted,
	} {
		unheld[reason] = Unheld{}
	}
	add := func(reason string, n int, oldest Instant) {
		u, since := unheld[reason], wall.Add(oldest.Sub(now))
		if u.Count == 0 || since.Before(u.Oldest) {
			u.Oldest = since
		}
		u.Count += n
		unheld[reason] = u
	}
	v.unheldLists(func(reason string, l *list) {
		if l.n > 0 {
			add(reason, l.n, l.oldest())
		}
	})
	for _, p := range v.terms {
		if !p.present() && p.live > 0 {
			add(UnheldWaiting, p.live, p.gone)
		}
	}
	return nodes, resources, unheld
}

// The states of nodes.
const (
	stateReady    = "ready"
	stateLeaving  = "leaving"
	stateCordoned = "cordoned"
	stateDraining = "draining"
	stateAiling   = "ailing" // ready, but asks for less than its weight, since what runs elsewhere fails there
	stateGone     = "gone"   // its claims have not ended yet
)

func (p *peer) state() string {
	switch {
	case !p.present():
		return stateGone
	case p.Leaving:
		return stateLeaving
	case p.draining:
		return stateDraining
	case p.cordoned:
		return stateCordoned
	case p.Ailing != nil:
		return stateAiling
	}
	return stateReady
}

// clusterInfo tells of the whole cluster. wall is the time of day at now.
func (v *view) clusterInfo(now Instant, wall time.Time) ClusterInfo {
	info := ClusterInfo{
		Self: v.self, Rev: v.rev, Resources: v.resources, Nodes: []NodeInfo{}, Pending: map[string]Unheld{},
		Examples: []PendingInfo{}, Malformed: []MalformedInfo{},
	}
	for _, p := range slices.SortedFunc(maps.Values(v.terms), byID) {
		info.Nodes = append(info.Nodes, v.nodeInfo(p))
	}
	var unheld []*slot
	add := func(l *list) {
		for s := range l.all() {
			reason := v.unheldReason(s)
			if reason == "" {
				continue
			}
			u, since := info.Pending[reason], wall.Add(s.since.Sub(now))
			if u.Count == 0 || since.Before(u.Oldest) {
				u.Oldest = since
			}
			u.Count++
			info.Pending[reason] = u
			unheld = append(unheld, s)
		}
	}
	v.unheldLists(func(_ string, l *list) { add(l) })
	for _, p := range v.terms {
		if !p.present() {
			add(&p.held)
		}
	}
	info.Held = v.resources - len(unheld)
	slices.SortFunc(unheld, func(a, b *slot) int { return a.key.Compare(b.key) })
	for _, s := range unheld[:min(len(unheld), maxExamples)] {
		info.Examples = append(info.Examples, *v.pendingInfo(s, now, wall))
	}
	for _, path := range slices.Sorted(maps.Keys(v.unusable)) {
		if len(info.Malformed) == maxExamples {
			break
		}
		info.Malformed = append(info.Malformed, MalformedInfo{Path: path, Error: v.unusable[path].err})
	}
	return info
}

func (v *view) nodeInfo(p *peer) NodeInfo {
	info := NodeInfo{ID: p.id, State: p.state(), Held: p.held.n, Load: p.load, Node: p.Node}
	if c, cordoned := v.cordons[p.id]; cordoned {
		info.Cordon = &c.Cordon
	}
	return info
}

// pendingInfo tells why a resource has no holder, nil when it has one.
func (v *view) pendingInfo(s *slot, now Instant, wall time.Time) *PendingInfo {
	reason := v.unheldReason(s)
	if reason == "" {
		return nil
	}
	return &PendingInfo{
		Key: s.key, Reason: reason, Detail: v.unheldDetail(s, reason, now), Since: wall.Add(s.since.Sub(now)),
	}
}

// resourceInfo tells of one resource. wall is the time of day at now.
func (v *view) resourceInfo(s *slot, now Instant, wall time.Time) ResourceInfo {
	info := ResourceInfo{
		Key: s.key, SpecRev: s.rev, Paused: s.paused, Weight: int64(s.weight), State: statePending,
		Pending: v.pendingInfo(s, now, wall),
	}
	if s.holder != nil {
		info.Holder, info.Epoch, info.Lease, info.Address = s.holder.id, s.claim, s.lease, s.holder.Address
		if s.holder.present() {
			info.State = stateHeld
		}
	}
	return info
}
