package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// takeNode folds what a node says of itself. A node that names a new intake lease changes nobody's plan; one
// that leaves, or goes, leaves orphans; one that joins makes everybody plan anew after a while.
func (v *view) takeNode(id string, r Record, st step) bool {
	v.listing.name(r.Path, st)
	p := v.nodes[id]
	known := int64(0)
	if p != nil {
		known = p.rev
	}
	if !v.newer(r, known, st) {
		return false
	}
	delete(v.unusable, r.Path)
	n, err := readNode(id, r)
	if err != nil {
		v.refuse(r, st, err) // a node that can't be understood is as good as gone
	}
	if p != nil && (r.Deleted || err != nil || p.Term != n.Term) {
		v.lose(p, st)
		p = nil
	}
	switch {
	case r.Deleted || err != nil:
	case p == nil:
		v.welcome(v.life(n.Term, n.ID, st), n, r.Rev, st)
	default:
		v.change(p, n, r.Rev, st)
	}
	return true
}

func readNode(id string, r Record) (Node, error) {
	n := Node{ID: strings.Clone(id)} // a part of the path would keep all of it
	if r.Deleted {
		return n, nil
	}
	if err := json.Unmarshal(r.Value, &n); err != nil {
		return n, fmt.Errorf("read node: %w", err)
	}
	if n.Term == 0 || n.Weight < 1 || n.Weight > MaxWeight {
		return n, fmt.Errorf("read node: term is %d and weight %d; a node has a term and a weight from 1 to %d", n.Term, n.Weight, MaxWeight)
	}
	return n, nil
}

// life returns the peer that a term belongs to. A claim may tell of it before its node's key does, in a listing, or long
// after that key has gone: until the key is seen, that peer is gone.
func (v *view) life(t TermID, id string, st step) *peer {
	p := v.terms[t]
	if p == nil {
		p = &peer{Node: Node{ID: id, Term: t}, gone: st.now, byClass: map[*class]int64{}}
		p.call(id)
		v.terms[t] = p
	}
	return p
}

// welcome takes a node in that was not there.
func (v *view) welcome(p *peer, n Node, rev int64, st step) {
	p.call(n.ID)
	p.Node, p.rev, p.onIntake = n, rev, v.leases[n.Intake.Lease]
	v.nodes[p.id] = p
	v.heed(p)
	v.reconsider(p, st)
	v.join(st)
	v.news = append(v.news, Event{Type: NodeJoined, Node: p.id})
}

// join has all targets chosen anew once no more nodes come, unless there is nothing to choose for.
func (v *view) join(st step) {
	v.dirty = v.homelessCount() > 0
	v.bids.joined(st.now)
}

// change takes in what a node that is there says of itself now.
func (v *view) change(p *peer, n Node, rev int64, st step) {
	was := p.Node
	p.Node, p.rev, p.onIntake = n, rev, v.leases[n.Intake.Lease]
	if sameOffer(was, n) {
		return
	}
	v.reconsider(p, st)
	if n.Leaving {
		v.news = append(v.news, Event{Type: NodeLeaving, Node: p.id})
		return
	}
	v.join(st)
}

// sameOffer tells whether two records of a node are the same to whoever plans.
func sameOffer(a, b Node) bool {
	return a.Leaving == b.Leaving && a.Weight == b.Weight && a.Room() == b.Room() && a.Zone == b.Zone &&
		maps.Equal(a.Labels, b.Labels) && slices.Equal(a.Kinds, b.Kinds) && slices.Equal(a.Planners, b.Planners)
}

// lose takes in that a node's key is gone. What it holds is homeless at once, though its leases may stand for a while and end
// in any order; it can be claimed only when its claim has gone.
func (v *view) lose(p *peer, st step) {
	if !p.Leaving {
		v.calm.vanished(st.now, len(v.nodes), p)
	}
	delete(v.nodes, p.id)
	p.rev, p.gone, p.in = 0, st.now, nil
	v.reconsider(p, st)
	v.forgetLife(p)
	v.news = append(v.news, Event{Type: NodeGone, Node: p.id})
}

// forgetLife forgets a term of which nothing is left.
func (v *view) forgetLife(p *peer) {
	if !p.present() && p.held.n == 0 && v.terms[p.Term] == p {
		delete(v.terms, p.Term)
	}
}

// reconsider settles all that is held by a node or targeted at it, in an order on which all nodes agree: whether it
// may have it has changed.
func (v *view) reconsider(p *peer, st step) {
	v.calm.changed = st.now
	v.regroup()
	affected := slices.Collect(p.held.all())
	affected = slices.AppendSeq(affected, p.wanted.all())
	if p.targets > p.wanted.n { // others are still claimed, or rest
		for s := range v.homeless() {
			if s.target == p && s.on != &p.wanted && s.holder != p {
				affected = append(affected, s)
			}
		}
	}
	sortSlots(affected, heaviestFirst)
	for _, s := range affected {
		v.settle(s, st)
	}
}
