package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const maxExamples = 100

// unheldReason says why no living node holds a resource: one of the Unheld constants and a sentence for people; "" when
// one does, or nobody should.
func (v *view) unheldReason(s *slot, now Instant) (reason, detail string) {
	switch {
	case !s.exists() || !s.unheld():
		return "", ""
	case s.bad:
		return UnheldInvalid, v.unusable[ResourcePath(s.key)].err
	case s.paused:
		return UnheldPaused, "its spec says so"
	case s.on == &v.resting:
		wait := max(0, v.notBefore[s].Sub(now)).Round(time.Millisecond)
		return UnheldDeleted, fmt.Sprintf("its claim was deleted while its holder lived, which may run it still; it is free in %s", wait)
	case s.target == nil:
		return v.pendingReason(s.class)
	case s.holder != nil:
		return UnheldWaiting, fmt.Sprintf("node %s is gone; when its lease %s ends, %s claims it", s.holder.id, s.lease, s.target.id)
	}
	return UnheldWaiting, fmt.Sprintf("node %s is about to claim it", s.target.id)
}

// pendingReason says why nobody can take resources of a class.
func (v *view) pendingReason(c *class) (reason, detail string) {
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
		return UnheldCapacity, fmt.Sprintf("all %d nodes that could are full; raise --capacity or add a node", len(c.able))
	case takers == 0:
		return UnheldNoNode, fmt.Sprintf("none of %d nodes is to be given anything: all are cordoned, leaving or of another version", len(v.members))
	case run == 0:
		return UnheldKind, fmt.Sprintf("no node runs kind %s", c.kind)
	}
	return UnheldRequires, fmt.Sprintf("no node that runs kind %s has the labels required:%s", c.kind, strings.TrimPrefix(c.name, c.kind))
}

// unheldLists yields the lists of those without a holder with the reason that all on one share. One kind is left out: what a
// node that is gone still has claims on.
func (v *view) unheldLists(yield func(reason string, l *list)) {
	yield(UnheldPaused, &v.paused)
	yield(UnheldInvalid, &v.invalid)
	yield(UnheldDeleted, &v.resting)
	for _, c := range v.classes {
		reason, _ := v.pendingReason(c)
		yield(reason, &c.pending)
	}
	for _, p := range v.members {
		yield(UnheldWaiting, &p.wanted)
	}
}

// gauges counts nodes by state, resources by kind and those without a holder by reason. It doesn't look at each of them, and
// takes what a dead node has claims on for waiting, though nobody may have room for it.
func (v *view) gauges(now Instant, wall time.Time) (nodes, resources map[string]int, unheld map[string]Unheld) {
	nodes = map[string]int{stateReady: 0, stateLeaving: 0, stateCordoned: 0}
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
	stateGone     = "gone" // its claims have not ended yet
)

func (p *peer) state() string {
	switch {
	case !p.present():
		return stateGone
	case p.Leaving:
		return stateLeaving
	case p.cordoned:
		return stateCordoned
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
		info.Nodes = append(info.Nodes, NodeInfo{ID: p.id, State: p.state(), Held: p.held.n, Load: p.load, Node: p.Node})
	}
	info.Held = v.resources
	add := func(l *list) {
		for s := range l.all() {
			p := v.pendingInfo(s, now, wall)
			if p == nil {
				continue
			}
			u := info.Pending[p.Reason]
			if u.Count == 0 || p.Since.Before(u.Oldest) {
				u.Oldest = p.Since
			}
			u.Count++
			info.Pending[p.Reason] = u
			info.Held--
			info.Examples = append(info.Examples, *p)
		}
	}
	v.unheldLists(func(_ string, l *list) { add(l) })
	for _, p := range v.terms {
		if !p.present() {
			add(&p.held)
		}
	}
	slices.SortFunc(info.Examples, func(a, b PendingInfo) int { return a.Key.Compare(b.Key) })
	info.Examples = info.Examples[:min(len(info.Examples), maxExamples)]
	for _, path := range slices.Sorted(maps.Keys(v.unusable)) {
		if len(info.Malformed) == maxExamples {
			break
		}
		info.Malformed = append(info.Malformed, MalformedInfo{Path: path, Error: v.unusable[path].err})
	}
	return info
}

// pendingInfo tells why a resource has no holder, nil when it has one.
func (v *view) pendingInfo(s *slot, now Instant, wall time.Time) *PendingInfo {
	reason, detail := v.unheldReason(s, now)
	if reason == "" {
		return nil
	}
	return &PendingInfo{Key: s.key, Reason: reason, Detail: detail, Since: wall.Add(s.since.Sub(now))}
}

// resourceInfo tells of one resource. wall is the time of day at now.
func (v *view) resourceInfo(s *slot, now Instant, wall time.Time) ResourceInfo {
	info := ResourceInfo{
		Key: s.key, SpecRev: s.rev, Paused: s.paused, Weight: int64(s.weight), State: statePending,
		Pending: v.pendingInfo(s, now, wall),
	}
	if s.holder != nil {
		info.Holder, info.Epoch, info.Lease = s.holder.id, s.claim, s.lease
		if s.holder.present() {
			info.State = stateHeld
		}
	}
	return info
}
