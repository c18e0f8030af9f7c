package cluster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// call gives the peer its node's id.
func (p *peer) call(id string) { p.id, p.hash, p.mark = id, xxhash.Sum64String(id), markOf(id) }

// markOf returns a node's mark, which is never 0. Two nodes may have the same: then a resource may be given back to the wrong one.
func markOf(id string) uint16 { return uint16(xxhash.Sum64String(id)>>48) | 1 }

// originOf returns the mark of the origin that a claim names, 0 when it names none.
func originOf(claim []byte) uint16 {
	var c ClaimValue
	if !bytes.Contains(claim, []byte(`"origin"`)) || json.Unmarshal(claim, &c) != nil || c.Origin == "" {
		return 0 // nearly all claims: a million of them are not decoded for this
	}
	return markOf(c.Origin)
}

// from tells whether the slot was handed off by a node as that left.
func (s *slot) from(p *peer) bool { return s.origin == p.mark }

// setOrigin makes a slot a guest of its holder, or with mark 0 no guest any more.
func (v *view) setOrigin(s *slot, mark uint16) {
	if s.origin != 0 {
		s.holder.guests--
		if v.away[s.origin]--; v.away[s.origin] == 0 {
			delete(v.away, s.origin)
		}
	}
	if s.origin = mark; mark != 0 {
		s.holder.guests++
		v.away[mark]++
	}
}

// bear adds to what the node bears, and its zone with it.
func (p *peer) bear(weight int64) {
	p.load += weight
	if p.in != nil {
		p.in.load += weight
	}
}

// loadBeside is what the node bears without a resource that it may hold, or that may be targeted at it.
func (p *peer) loadBeside(s *slot) int64 {
	if s.target == p || s.holder == p {
		return p.load - int64(s.weight)
	}
	return p.load
}

// present tells whether the node's key is there.
func (p *peer) present() bool { return p.rev != 0 }

// stays tells whether what the node holds may stay with it.
func (p *peer) stays() bool { return p.present() && !p.Leaving && !p.draining }

// takes tells whether the node may be given anything, by the version of the planner in force.
func (p *peer) takes() bool { return p.stays() && !p.cordoned && p.speaks }

// runs tells whether the node runs the kind of a class.
func (p *peer) runs(c *class) bool { return slices.Contains(p.Kinds, c.kind) }

// can tells whether the node may be given resources of a class, room apart.
func (p *peer) can(c *class) bool {
	return p.takes() && p.runs(c) && p.having(c.requires) == len(c.requires)
}

// having returns how many of some labels the node has.
func (p *peer) having(labels map[string]string) (n int) {
	for label, value := range labels {
		if has, ok := p.label(label); ok && has == value {
			n++
		}
	}
	return n
}

// label returns a label of the node. Its zone and its id are labels without being written twice.
func (p *peer) label(name string) (string, bool) {
	switch name {
	case "node":
		return p.id, true
	case "zone":
		return p.Zone, p.Zone != ""
	}
	value, ok := p.Labels[name]
	return value, ok
}

func byID(a, b *peer) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.Term, b.Term)) }

// regroup works out anew who is there, by which rules they plan, and who may be given what.
func (v *view) regroup() {
	v.members = slices.SortedFunc(maps.Values(v.nodes), byID)
	v.version = v.agreed()
	zones := map[string]*zone{}
	for _, p := range v.members {
		p.speaks, p.in = slices.Contains(p.Planners, v.version), nil
		if !p.takes() {
			continue
		}
		name := ""
		if v.version >= zonesSince {
			name = p.Zone
		}
		if zones[name] == nil {
			zones[name] = &zone{}
		}
		p.in = zones[name]
		p.in.load, p.in.weight = p.in.load+p.load, p.in.weight+p.Weight
	}
	for _, c := range v.classes {
		v.sift(c)
	}
}

// agreed returns the version of the planner that most nodes know, of those that this one knows, and of several the newest:
// the highest that all share, if there is one.
func (v *view) agreed() (best int) {
	most := -1
	for _, version := range slices.Sorted(slices.Values(v.knows)) {
		n := 0
		for _, p := range v.members {
			if slices.Contains(p.Planners, version) {
				n++
			}
		}
		if n >= most {
			best, most = version, n
		}
	}
	return best
}

// alikePlanning tells whether all nodes know the version of the planner in force. While they don't, this node chooses targets only
// among those who do, and moves nothing.
func (v *view) alikePlanning() bool {
	for _, p := range v.members {
		if !p.speaks {
			return false
		}
	}
	return true
}

// sift finds who may be given resources of a class, and who first.
func (v *view) sift(c *class) {
	c.able, c.best = nil, nil
	most := 0
	for _, p := range v.members {
		if !p.can(c) {
			continue
		}
		c.able = append(c.able, p)
		n := p.having(c.prefers)
		if n > most {
			c.best, most = nil, n
		}
		if n == most {
			c.best = append(c.best, p)
		}
	}
	if v.version < zonesSince {
		c.best = c.able
	}
}

// first tells whether a node is among those that are given resources of the class first.
func (c *class) first(p *peer) bool { return slices.Contains(c.best, p) }

// labelled writes labels in order, each behind a mark.
func labelled(mark string, labels map[string]string) (text string) {
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		text += mark + label + "=" + labels[label]
	}
	return text
}
