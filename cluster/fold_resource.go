package cluster

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
	v.tally(s, -1)
	v.weigh(s, -1)
	if r.Deleted {
		s.rev, s.class, s.weight, s.paused, s.bad = 0, nil, 1, false, false // as for one who lists only now
	} else {
		v.read(s, r, st)
	}
	v.tally(s, +1)
	v.weigh(s, +1)
	if was.live() != s.live() && st.ordered() {
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
	s.rev, s.bad = r.Rev, err != nil && (s.class == nil || s.bad)
	switch {
	case err == nil:
		s.class, s.weight, s.paused = v.class(s.key.Kind, shared.Requires, shared.Prefers), int16(shared.Weight), shared.Paused
		return
	case s.class == nil:
		s.class = v.class(s.key.Kind, nil, nil)
	default:
		s.class = v.class(s.key.Kind, s.class.requires, s.class.prefers)
	}
	v.refuse(r, st, err)
}

// tally counts an existing resource among those of its class and weight, or takes it out.
func (v *view) tally(s *slot, sign int) {
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

// name notes that the listing under way, if the record is of one, holds a record of the slot.
func (s *slot) name(what uint8, r Record, st step) {
	if st.listed != 0 && !r.Deleted {
		s.named |= what
	}
}
