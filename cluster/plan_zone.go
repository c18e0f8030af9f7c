package cluster

// zone is the nodes of one zone that may be given something. How much a zone is to bear is the sum of
// what its nodes are to, so that no node bears more for standing in a small one; what is decided by zone is who bears what
// doesn't come out even, and who of equals is next.
type zone struct {
	load   int64
	weight int64
}

// spares hands out single units of load that rounding leaves over.
type spares struct {
	zones []*corner
	size  int64 // of all zones
	got   int64
}

// corner is what spares knows of a zone.
type corner struct {
	zone  *zone
	first []*share // that may have a unit, and have it in fact: giving it to them moves nothing
	other []*share // that may have one
	size  int64    // how many these are, with those that have one already
	got   int64    // how many have one
}

func (s *spares) corner(of *share) *corner {
	s.size++
	for _, c := range s.zones {
		if c.zone == of.peer.in {
			c.size++
			return c
		}
	}
	c := &corner{zone: of.peer.in, size: 1}
	s.zones = append(s.zones, c)
	return c
}

// may adds a share to which a unit may be given.
func (s *spares) may(sh *share, first bool) {
	if c := s.corner(sh); first {
		c.first = append(c.first, sh)
	} else {
		c.other = append(c.other, sh)
	}
}

// has adds a share that has its unit already.
func (s *spares) has(sh *share) {
	s.corner(sh).got++
	s.got++
}

// deal gives so many units out, one to a share at the most: to each zone as many as its size calls for, rounded up or down. Of two
// that could be rounded up it is the one in which nothing moves for it, then the one that is nearer to it, then the one named
// first. Within a zone it goes by the order named.
func (s *spares) deal(units int64) {
	all := s.got + units
	for ; units > 0; units-- {
		var best *corner
		for _, c := range s.zones {
			if len(c.first)+len(c.other) > 0 && (best == nil || s.before(c, best, all)) {
				best = c
			}
		}
		if best == nil {
			return
		}
		best.take().quota++
	}
}

func (s *spares) before(a, b *corner, all int64) bool {
	lackA, lackB := all*a.size-s.size*a.got, all*b.size-s.size*b.got // in parts of a unit, as many as there are shares
	if a, b := s.calls(lackA), s.calls(lackB); a != b {
		return a > b
	}
	if a, b := len(a.first) > 0, len(b.first) > 0; a != b {
		return a
	}
	return lackA > lackB
}

// calls tells how much a zone calls for a unit: 2 when it lacks a whole one, 1 when it may be rounded up, 0 when it has its part.
func (s *spares) calls(lack int64) int {
	switch {
	case lack >= s.size:
		return 2
	case lack > 0:
		return 1
	}
	return 0
}

// take chooses the next share of the zone.
func (c *corner) take() *share {
	from := &c.other
	if len(c.first) > 0 {
		from = &c.first
	}
	sh := (*from)[0]
	*from, c.got = (*from)[1:], c.got+1
	return sh
}
