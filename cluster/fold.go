package cluster

import (
	"cmp"
	"maps"
	"slices"
)

// step is what folding one record needs to know beside the record.
type step struct {
	now     Instant
	listed  int64 // of a record that a listing told of, the revision listed at; 0: it came by watch or answer
	replay  bool  // it was newer than what was known, and has been put into its order
	touched func(*slot, Record)
}

// ordered tells whether the record comes in an order on which all nodes agree.
func (st *step) ordered() bool { return st.listed == 0 || st.replay }

// What the listing under way has named of a slot.
const (
	namedClaim = 1 << iota
	namedResource
)

// listing is a listing under way: what it does not name is gone.
type listing struct {
	done  bool            // one has been complete
	rev   int64           // of the one under way
	named map[string]bool // paths in it that are not of slots; nil: none is under way
	ahead []Record        // what it told of that was newer than what was known
	drift int             // differences found: what the watch had not told
}

// unusable is a record that drm can't use.
type unusable struct {
	rev int64
	err string
}

// fold takes in one batch. touched is called for every slot of which a record, resource or claim, was newer than
// what was known, with that record, whose Value is valid during the call; for what a complete listing didn't name, with
// a deletion made up for it.
//
// All nodes fold the same records in the same order, one by one, so that they agree on every target however
// the records were put into batches. What a later listing adds to a view is put into that order too; what it lacks has no
// place in it, and leads to a new plan, as does a first listing.
func (v *view) fold(b Batch, now Instant, touched func(*slot, Record)) {
	st := step{now: now, touched: touched}
	if b.Listing {
		if v.listing.named == nil || b.Rev != v.listing.rev {
			v.beginListing(b.Rev)
		}
		st.listed = b.Rev
	}
	for _, r := range b.Records {
		switch {
		case b.Listing:
			v.take(r, st)
		case r.Rev > v.rev:
			v.advance(r.Rev, now)
			v.take(r, st)
		}
	}
	if b.Listing && !b.Complete {
		return // what is known so far is not a state that ever was
	}
	if b.Complete {
		v.endListing(b.Rev, st)
	}
	v.fresh = max(v.fresh, b.Fresh)
	if b.Rev > v.rev {
		v.rev = b.Rev
		v.reach()
	}
}

// foldAnswer takes in what the answer to an own request told, ahead of the watch. Of claims it is known at once,
// so that nothing starts on a claim that is known to be gone; per key the highest revision wins. The plan goes by the
// watch alone: what came earlier here than elsewhere would give this node other targets than all others have. Only a
// node that was not known, such as this one, is taken in, since all plan anew for it after a while.
func (v *view) foldAnswer(recs []Record, now Instant, touched func(*slot, Record)) {
	for _, r := range recs {
		place, err := ParsePath(r.Path)
		switch {
		case err != nil:
		case place.Family == "claims":
			v.learn(v.slots[place.Key], r, touched)
		case place.Family == "nodes" && v.nodes[place.Node] == nil && r.Rev > v.rev:
			v.take(r, step{now: now, touched: touched})
		}
	}
}

// take folds one record.
func (v *view) take(r Record, st step) {
	if r.Deleted {
		r.Lease = 0
	}
	changed := false
	place, err := ParsePath(r.Path)
	switch {
	case err != nil && r.Deleted:
		delete(v.unusable, r.Path)
	case err != nil:
		v.refuse(r, st, err)
	case place.Family == "nodes":
		changed = v.takeNode(place.Node, r, st)
	case place.Family == "cordons":
		changed = v.takeCordon(place.Node, r, st)
	case place.Family == "claims":
		changed = v.takeClaim(place.Key, r, st)
	default:
		changed = v.takeResource(place.Key, r, st)
	}
	if changed && st.listed != 0 {
		v.listing.drift++
		v.dirty = v.dirty || !st.replay
	}
}

// newer tells whether a record is newer than the revision known of its key, 0 when none is, and is to be taken in now.
func (v *view) newer(r Record, known int64, st step) bool {
	switch {
	case r.Rev <= known:
		return false
	case st.ordered():
		return true
	case known == 0 && r.Rev <= v.rev && st.listed < v.rev:
		return false // the view is ahead of the listing: the key may have been deleted since
	case v.listing.done && !r.Deleted:
		v.listing.ahead = append(v.listing.ahead, r)
		return false
	}
	return true
}

func (v *view) beginListing(rev int64) {
	if v.listing.named != nil { // the one before was broken off
		for _, s := range v.slots {
			s.named = 0
		}
	}
	v.listing.rev, v.listing.named, v.listing.ahead, v.listing.drift = rev, map[string]bool{}, nil, 0
}

// endListing takes in, in its order, what the listing told of that was newer, and deletes what it did not name. Nodes
// go first: a claim whose holder went too was not deleted by an operator.
func (v *view) endListing(rev int64, st step) {
	ahead := v.listing.ahead
	slices.SortStableFunc(ahead, func(a, b Record) int { return cmp.Compare(a.Rev, b.Rev) })
	for _, r := range ahead {
		v.take(r, step{now: st.now, listed: st.listed, replay: true, touched: st.touched})
	}
	var gone []string
	missing := func(path string, known int64) {
		if known <= rev && !v.listing.named[path] {
			gone = append(gone, path)
		}
	}
	for _, p := range v.members {
		missing(NodePath(p.id), p.rev)
	}
	for _, node := range slices.Sorted(maps.Keys(v.cordons)) {
		missing(CordonPath(node), v.cordons[node].rev)
	}
	for _, path := range slices.Sorted(maps.Keys(v.unusable)) {
		missing(path, v.unusable[path].rev)
	}
	others := len(gone)
	for _, s := range v.slots {
		if s.holder != nil && v.claimRev(s) <= rev && s.named&namedClaim == 0 {
			gone = append(gone, ClaimPath(s.key))
		}
		if s.exists() && s.rev <= rev && s.named&namedResource == 0 {
			gone = append(gone, ResourcePath(s.key))
		}
		s.named = 0
	}
	slices.Sort(gone[others:])
	for _, path := range gone {
		v.take(Record{Path: path, Rev: rev, Deleted: true}, st)
	}
	v.listing.done, v.listing.named, v.listing.ahead = true, nil, nil
}

// name notes that the listing under way, if the record is of one, holds a path that is not a slot's.
func (l *listing) name(path string, st step) {
	if st.listed != 0 {
		l.named[path] = true
	}
}

// refuse notes a record that drm can't use, for people to see.
func (v *view) refuse(r Record, st step, why error) {
	v.listing.name(r.Path, st)
	if r.Rev > v.unusable[r.Path].rev {
		v.unusable[r.Path] = unusable{r.Rev, why.Error()}
		v.told = append(v.told, MalformedInfo{Path: r.Path, Error: why.Error()})
	}
}

// takeMalformed returns what has been found since it was last called.
func (v *view) takeMalformed() []MalformedInfo {
	told := v.told
	v.told = nil
	return told
}

// takeNews returns, since it was last called, which nodes joined, began to leave or went.
func (v *view) takeNews() []Event {
	news := v.news
	v.news = nil
	return news
}
