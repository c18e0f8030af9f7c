package cluster

import (
	"encoding/json"
	"errors"
	"time"
)

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
	if !v.newer(r, v.claimRev(s), st) {
		return false
	}
	was := s.holder
	v.weigh(s, -1)
	v.putOn(s, r, st)
	v.weigh(s, +1)
	delete(v.calm.moving, s)
	switch now := s.holder; {
	case now == nil && was != nil && was.present():
		// Whether an operator deleted it or its holder gave it back can't be told. The holder may run it for as
		// long as it doesn't know.
		v.notBefore[s] = st.now.Add(blindFor(was))
	case now == nil:
	default:
		delete(v.notBefore, s)
		v.claimed(s, was, now, st)
	}
	v.roomy = v.roomy || was != nil && was != s.holder
	fresh := r.Rev > s.claim
	if r.Rev >= s.claim {
		s.claim, s.lease = r.Rev, r.Lease
		delete(v.counted, s)
	}
	v.settle(s, st)
	if was != nil && was == s.holder {
		was.held.push(s) // what is held stays in the order of its claims
	}
	if was != nil {
		v.forgetLife(was)
	}
	if fresh {
		st.touched(s, r)
	}
	return true
}

// blindFor is how long a node may act on claims of which it can't know that they were deleted: it renews its leases for
// half a TTL after its view was last proven fresh, and trusts them for a window after that, which is less than two
// thirds of a TTL whatever the margin is made of (see newTiming).
func blindFor(p *peer) time.Duration { return time.Duration(p.TTL) * 5 / 4 }

// learn takes in what an answer tells of a claim ahead of the watch.
func (v *view) learn(s *slot, r Record, touched func(*slot, Record)) {
	if s == nil || r.Rev <= s.claim || r.Rev <= v.rev {
		return
	}
	if _, ahead := v.counted[s]; !ahead {
		v.counted[s] = s.lease
	}
	v.bids.ahead(answer{slot: s, rev: r.Rev})
	s.claim, s.lease = r.Rev, r.Lease
	if r.Deleted {
		s.lease = 0
	}
	touched(s, r)
}

// claimRev returns the revision up to which the watch has told of a claim.
func (v *view) claimRev(s *slot) int64 {
	if _, ahead := v.counted[s]; ahead {
		return v.rev
	}
	return s.claim
}

// putOn moves the claim to the lease that the record names, and to who holds that.
func (v *view) putOn(s *slot, r Record, st step) {
	delete(v.unusable, r.Path)
	lease, ahead := v.counted[s]
	if !ahead {
		lease = s.lease
	}
	if s.holder != nil {
		v.count(lease, s.holder, -1)
		v.setOrigin(s, 0)
	}
	if ahead {
		v.counted[s] = r.Lease
	}
	if s.holder = nil; r.Deleted {
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
	v.count(r.Lease, s.holder, +1)
	v.setOrigin(s, originOf(r.Value))
}

// count counts a claim among those on its lease, or takes it out.
func (v *view) count(lease LeaseID, holder *peer, sign int) {
	n := v.leases[lease] + sign
	if v.leases[lease] = n; n == 0 {
		delete(v.leases, lease)
	}
	if holder.Intake.Lease == lease {
		holder.onIntake = n
	}
}

// claimed notes what a claim tells about those who make one.
func (v *view) claimed(s *slot, was, now *peer, st step) {
	if s.target != nil && s.target != now {
		v.disagreed(st.now)
	}
	if was == nil {
		now.claimed, now.suspect = st.now, 0
	}
	if was != nil && was != now && was.stays() && now.id == v.self {
		v.calm.moved[s] = st.now
	}
}
