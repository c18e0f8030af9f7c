package cluster

import (
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// takeResource folds a spec, of which it keeps what planning needs.
func (v *view) takeResource(k Key, r Record, st step) bool {
	if v.unusable[r.Path].rev != 0 {
		v.listing.name(r.Path, st)
	}
	s := v.slots[k]
	if s == nil {
		if r.Deleted || !v.newer(r, 0, st) {
			return false
		}
		s = v.add(k)
	}
	s.name(namedResource, r, st)
	if !v.newer(r, s.rev, st) {
		return false
	}
	delete(v.unusable, r.Path)
	was := *s
	v.count(s, -1)
	v.weigh(s, -1)
	if r.Deleted {
		s.rev = 0
	} else {
		v.read(s, r, st)
	}
	v.count(s, +1)
	v.weigh(s, +1)
	if was.live() != s.live() && st.listed == 0 {
		v.calm.churned = st.now
	}
	v.roomy = v.roomy || s.weight < was.weight
	v.settle(s, st)
	st.touched(s, r)
	return true
}

// read takes from a spec what planning needs. Of one that can't be read nothing is taken: what was last good goes on.
func (v *view) read(s *slot, r Record, st step) {
	shared, err := ReadShared(r.Value)
	s.rev, s.bad = r.Rev, err != nil
	switch {
	case err == nil:
		s.class, s.weight, s.paused = v.class(s.key.Kind, shared.Requires), int32(shared.Weight), shared.Paused
		return
	case s.class == nil:
		s.class = v.class(s.key.Kind, nil)
	default:
		s.class = v.class(s.key.Kind, s.class.requires)
	}
	v.refuse(r, st, err)
}

// count counts an existing resource among those of its class and weight, or takes it out.
func (v *view) count(s *slot, sign int) {
	if !s.exists() {
		return
	}
	if s.class.resources += sign; s.class.resources == 0 {
		delete(v.classes, s.class.name)
	}
	v.resources += sign
	if v.weights[s.weight] += sign; v.weights[s.weight] == 0 {
		delete(v.weights, s.weight)
	}
}

// weigh puts a slot's weight on those who bear it, or takes it off.
func (v *view) weigh(s *slot, sign int64) {
	w := sign * int64(s.weight)
	if s.target != nil {
		s.target.load += w
	}
	p := s.holder
	if p == nil {
		return
	}
	p.load += w
	if s.live() {
		p.live += int(sign)
	}
	if p.byClass[s.class] += w; p.byClass[s.class] == 0 {
		delete(p.byClass, s.class)
	}
}

// takeClaim folds a claim. The lease that it is on says who holds; its value is only for people.
func (v *view) takeClaim(k Key, r Record, st step) bool {
	s := v.slots[k]
	if s == nil {
		if r.Deleted || !v.newer(r, 0, st) {
			return false
		}
		s = v.add(k)
	}
	s.name(namedClaim, r, st)
	if !v.newer(r, s.claim, st) {
		return false
	}
	was := s.holder
	v.weigh(s, -1)
	v.putOn(s, r, st)
	v.weigh(s, +1)
	delete(v.calm.moving, s)
	switch now := s.holder; {
	case now == nil && was != nil && was.stays():
		// Whether an operator deleted it or its holder gave it back can't be told. The holder may run it for as
		// long as it doesn't know.
		v.notBefore[s] = st.now.Add(time.Duration(was.TTL))
	case now == nil:
	default:
		delete(v.notBefore, s)
		v.claimed(s, was, now, st)
	}
	v.roomy = v.roomy || was != nil && was != s.holder
	v.settle(s, st)
	if was != nil {
		v.forgetLife(was)
	}
	st.touched(s, r)
	return true
}

// name notes that the listing under way, if the record is of one, holds a record of the slot.
func (s *slot) name(what uint8, r Record, st step) {
	if st.listed != 0 && !r.Deleted {
		s.named |= what
	}
}

// putOn moves the claim to the lease that the record names.
func (v *view) putOn(s *slot, r Record, st step) {
	delete(v.unusable, r.Path)
	if s.holder != nil {
		v.onLease(s, -1)
	}
	s.claim, s.lease, s.holder = r.Rev, r.Lease, nil
	if r.Deleted {
		s.lease = 0
		return
	}
	if r.Lease == 0 {
		v.refuse(r, st, errors.New("the claim is on no lease, so it never ends by itself; delete it"))
	}
	s.holder = v.terms[r.Lease.Term()]
	if s.holder == nil {
		var c ClaimValue
		_ = json.Unmarshal(r.Value, &c) // a claim with another value is still a claim
		s.holder = v.life(r.Lease.Term(), c.Node, st)
	}
	v.onLease(s, +1)
}

// onLease counts the claim among those on its lease.
func (v *view) onLease(s *slot, sign int) {
	n := v.leases[s.lease] + sign
	if v.leases[s.lease] = n; n == 0 {
		delete(v.leases, s.lease)
	}
	if s.holder.Intake.Lease == s.lease {
		s.holder.onIntake = n
	}
}

// claimed notes what a claim tells about those who make one.
func (v *view) claimed(s *slot, was, now *peer, st step) {
	if s.target != nil && s.target != now {
		v.dirty = true // somebody plans otherwise: all plan anew, from the same state
	}
	if was == nil {
		now.claimed, now.suspect = st.now, 0
	}
	if was != nil && was != now && was.stays() && now.id == v.self {
		v.calm.moved[s] = st.now
	}
}

// settle brings a slot's target and list in line with what is known of it. A target once chosen stays while it can,
// so that nobody's progress changes anybody's target.
func (v *view) settle(s *slot, st step) {
	if t := s.target; t != nil && !(s.homeless() && t.can(s.class) && t.load <= t.Room()) {
		v.aim(s, nil)
		v.roomy = v.roomy || t != s.holder
	}
	if s.target == nil && s.homeless() && st.listed == 0 {
		v.aim(s, home(s))
	}
	v.place(s, st.now)
}

// aim changes the target of a slot.
func (v *view) aim(s *slot, to *peer) {
	if s.target != nil {
		s.target.load -= int64(s.weight)
		s.target.targets--
	}
	if s.target = to; to != nil {
		to.load += int64(s.weight)
		to.targets++
	}
}

// place puts a slot on the list where it belongs, or forgets it.
func (v *view) place(s *slot, now Instant) {
	switch {
	case !s.unheld():
		s.since = 0
	case s.since == 0:
		s.since = now
	}
	var l *list
	switch {
	case s.holder != nil:
		l = &s.holder.held
	case v.notBefore[s] != 0:
		l = &v.resting
	case !s.exists():
		v.forget(s)
		return
	case s.bad:
		l = &v.invalid
	case s.paused:
		l = &v.paused
	case s.target == nil:
		l = &s.class.pending
	default:
		l = &s.target.wanted
		if l.n == 0 {
			s.target.waited = now
		}
	}
	if s.on != l {
		l.push(s)
	}
}

// forget drops a slot of which neither resource nor claim is left, once no bid for it is under way.
func (v *view) forget(s *slot) {
	s.unlist()
	if !s.asked {
		delete(v.slots, s.key)
		delete(v.calm.moved, s)
	}
}

// homeless yields every homeless slot, in no order.
func (v *view) homeless() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		lists := []*list{&v.resting}
		for _, c := range v.classes {
			lists = append(lists, &c.pending)
		}
		for _, p := range v.terms {
			lists = append(lists, &p.wanted)
			if !p.stays() {
				lists = append(lists, &p.held)
			}
		}
		for _, l := range lists {
			for s := range l.all() {
				if s.homeless() && !yield(s) {
					return
				}
			}
		}
	}
}

// homelessCount counts them from what is kept; those that rest are all taken for homeless.
func (v *view) homelessCount() int {
	n := v.resting.n
	for _, c := range v.classes {
		n += c.pending.n
	}
	for _, p := range v.terms {
		n += p.wanted.n
		if !p.stays() {
			n += p.live
		}
	}
	return n
}
