package cluster

import (
	"maps"
	"slices"
)

// step is what folding one record needs to know beside the record.
type step struct {
	now     Instant
	listed  int64 // of a record that a listing named, the revision listed at; 0: it came by watch or answer
	touched func(*slot, Record)
}

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
// the records were put into batches. A listing is in no order: it leads to a new plan instead.
func (v *view) fold(b Batch, now Instant, touched func(*slot, Record)) {
	st := step{now: now, touched: touched}
	if b.Listing {
		if v.listing.named == nil || b.Rev != v.listing.rev {
			v.beginListing(b.Rev)
		}
		st.listed = b.Rev
	}
	for _, r := range b.Records {
		if b.Listing || r.Rev > v.rev {
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
		maps.DeleteFunc(v.late, func(_ string, rev int64) bool { return rev <= v.rev })
		v.reach(v.rev)
	}
}

// foldAnswer takes in what the answer to an own request told, ahead of the watch. Per key the highest revision
// wins; what the watch has yet to bring about other keys is not skipped by it.
func (v *view) foldAnswer(recs []Record, now Instant, touched func(*slot, Record)) {
	for _, r := range recs {
		v.take(r, step{now: now, touched: touched})
		if r.Deleted && r.Rev > v.rev {
			v.late[r.Path] = max(v.late[r.Path], r.Rev)
		}
	}
}

// take folds one record.
func (v *view) take(r Record, st step) {
	if r.Rev <= v.late[r.Path] {
		return
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
	}
}

// newer tells whether a record is newer than the revision known of its key, 0 when none is.
func (v *view) newer(r Record, known int64, st step) bool {
	// When the view is ahead of a listing, a key in it that the view doesn't know may have been deleted since.
	if st.listed != 0 && known == 0 && r.Rev <= v.rev && st.listed < v.rev {
		return false
	}
	return r.Rev > known
}

func (v *view) beginListing(rev int64) {
	if v.listing.named != nil { // the one before was broken off
		for _, s := range v.slots {
			s.named = 0
		}
	}
	v.listing.rev, v.listing.named, v.listing.drift = rev, map[string]bool{}, 0
}

// endListing deletes what the listing did not name. Nodes go first: a claim whose holder went too was not
// deleted by an operator.
func (v *view) endListing(rev int64, st step) {
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
		missing(CordonPath(node), v.cordons[node])
	}
	for _, path := range slices.Sorted(maps.Keys(v.unusable)) {
		missing(path, v.unusable[path].rev)
	}
	others := len(gone)
	for _, s := range v.slots {
		if s.holder != nil && s.claim <= rev && s.named&namedClaim == 0 {
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
	v.dirty = v.dirty || v.listing.drift > 0
	v.listing.done, v.listing.named = true, nil
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
