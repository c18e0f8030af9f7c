package cluster

import (
	"iter"
)

// weigh puts a slot's weight on those who bear it, or takes it off.
func (v *view) weigh(s *slot, sign int64) {
	w := sign * int64(s.weight)
	if s.target != nil {
		s.target.bear(w)
	}
	p := s.holder
	if p == nil {
		return
	}
	p.bear(w)
	if s.live() {
		p.live += int(sign)
	}
	if p.byClass[s.class] += w; p.byClass[s.class] == 0 {
		delete(p.byClass, s.class)
	}
}

// settle brings a slot's target and list in line with what is known of it. A target once chosen stays while it can,
// so that nobody's progress changes anybody's target.
func (v *view) settle(s *slot, st step) {
	if t := s.target; t != nil && !(s.homeless() && t.can(s.class) && t.load <= t.Room()) {
		v.aim(s, nil)
		v.roomy = v.roomy || t != s.holder
	}
	if s.target == nil && s.homeless() && st.ordered() {
		v.aim(s, home(s))
	}
	v.place(s, st.now)
}

// aim changes the target of a slot.
func (v *view) aim(s *slot, to *peer) {
	if s.target != nil {
		s.target.bear(-int64(s.weight))
		s.target.targets--
	}
	if s.target = to; to != nil {
		to.bear(int64(s.weight))
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
	rests := v.notBefore[s] > now
	if !rests {
		delete(v.notBefore, s)
	}
	var l *list
	switch {
	case s.holder != nil:
		l = &s.holder.held
	case !s.exists() && !rests:
		s.unlist()
		v.forgetEmpty(s)
		return
	case s.bad:
		l = &v.invalid
	case s.paused:
		l = &v.paused
	case rests:
		l = &v.resting
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

// forgetEmpty drops a slot of which neither resource nor claim is left, once no bid for it is under way and no answer is
// ahead of the watch: an older claim, yet to come, must not be taken for news.
func (v *view) forgetEmpty(s *slot) {
	_, ahead := v.counted[s]
	if s.exists() || s.holder != nil || s.on == &v.resting || s.asked || ahead {
		return
	}
	v.forget(s)
	delete(v.calm.moved, s)
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
