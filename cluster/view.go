package cluster

import (
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// view is what this node knows of nodes, resources and claims as of one revision, and the targets that follow
// from it. It is owned by the loop's goroutine; fold and foldAnswer are the only ways in. Work is
// proportional to what changed: every slot is on exactly one list, so whatever is to be done next is found there.
type view struct {
	self  string
	rev   int64   // everything up to here has been folded
	fresh Instant // and everything committed before this instant

	slots   map[Key]*slot
	index   index             // of the same
	nodes   map[string]*peer  // present, by id
	terms   map[TermID]*peer  // present, or gone while claims on their leases are left
	members []*peer           // present, in order of id
	cordons map[string]cordon // by node
	classes map[string]*class
	knows   []int           // versions of the planner that this node can plan by
	version int             // the one it plans by
	leases  map[LeaseID]int // claims on each lease
	away    map[uint16]int  // claims that name each origin, by its mark
	kinds   map[string]*kind

	resources int
	weights   map[int16]int // resources of each weight

	paused    list // unclaimed, because the spec says so
	invalid   list // unclaimed, the spec can't be read
	resting   list // unclaimed, not to be bid for before notBefore; or nothing but that is left of it
	notBefore map[*slot]Instant

	listing  listing
	counted  map[*slot]LeaseID // where the watch last saw claims of which answers have told more
	unusable map[string]unusable
	told     []MalformedInfo
	news     []Event

	dirty bool // all targets are to be chosen anew
	roomy bool // room came free where something may be waiting for it
	bids  bids
	calm  calm
}

// slot is one resource and the claim on it, as far as planning needs them; the spec itself is not kept. It is
// forgotten when neither is left. Its 128 bytes are counted: a node knows every resource of the cluster.
type slot struct {
	key    Key
	hash   uint64
	rev    int64   // mod revision of the resource; 0: it doesn't exist
	claim  int64   // mod revision of the newest claim record, by watch or answer; of a deletion, its revision
	lease  LeaseID // that the claim is on, by the same; 0: none
	class  *class  // nil until the resource has been seen
	holder *peer   // by the watch alone; nil: unclaimed
	target *peer   // who is to claim it or be handed it; nil: not homeless, or nobody can
	since  Instant // when it was first seen without a living holder; 0: it has one

	on         *list // holder.held, target.wanted, class.pending, or one of the view's
	prev, next *slot

	weight int16
	origin uint16 // the mark of the node that handed it off as it left, and may have it back; 0: none
	paused bool
	bad    bool  // no spec of it that could be read has been seen; of one that was, the last good fields stay
	asked  bool  // a bid of ours is unanswered, or its answer is ahead of the view; set by the loop
	named  uint8 // by the listing under way: namedClaim, namedResource
}

// peer is one life of a node: a term. A node that comes back is another peer, and what its earlier life claimed
// stays with that one.
type peer struct {
	id       string
	Node            // the newest record; of a peer that only a claim has told of, the term alone
	hash     uint64 // of id
	mark     uint16 // of id, by which a resource remembers where it came from
	in       *zone  // of those that may be given something; nil: it may not
	speaks   bool   // it can plan by the version that this node plans by
	rev      int64  // mod revision of nodes/<id>, what guards a hand-off; 0: absent, the node is gone
	cordoned bool   // an operator says: give it nothing
	draining bool   // and what it has is to go; else it stays
	load     int64  // weight held by it and targeted at it
	targets  int    // homeless resources targeted at it
	live     int    // resources held by it that somebody should hold
	onIntake int    // claims on its present intake lease
	shut     int64  // revision of its key at which the lease named there was found gone: nothing is put on that any more
	guests   int    // resources held by it that have an origin
	held     list   // claims on its leases
	wanted   list   // unclaimed resources that it is to claim

	byClass map[*class]int64 // weight held of each class
	gone    Instant          // when it was first seen to be gone
	waited  Instant          // when it first had some of wanted
	claimed Instant          // when it was last seen to claim one
	suspect Instant          // when it was found to be late; 0: it has claimed something since
}

// kind has the one copy kept of a kind's name, which all slots of that kind share: a part of a record's path would keep all of it.
type kind struct {
	name  string
	slots int
}

// class is what decides who may have a resource: its kind, and the labels that it requires and prefers.
type class struct {
	name      string // kind, then the sorted requirements and preferences: the order of classes
	kind      string
	requires  map[string]string
	prefers   map[string]string
	resources int     // that exist
	able      []*peer // who may be given them, room apart, in order of id
	best      []*peer // those of them with the most of the labels preferred: the others are given what these have no room for
	pending   list    // homeless and unclaimed, and nobody can take them
}

func newView(self string) *view {
	return &view{
		self:      self,
		knows:     planners,
		version:   slices.Max(planners),
		slots:     map[Key]*slot{},
		nodes:     map[string]*peer{},
		terms:     map[TermID]*peer{},
		cordons:   map[string]cordon{},
		classes:   map[string]*class{},
		leases:    map[LeaseID]int{},
		away:      map[uint16]int{},
		weights:   map[int16]int{},
		kinds:     map[string]*kind{},
		notBefore: map[*slot]Instant{},
		counted:   map[*slot]LeaseID{},
		unusable:  map[string]unusable{},
		calm:      calm{moving: map[*slot]*peer{}, moved: map[*slot]Instant{}},
	}
}

// peer returns the present life of a node, nil when the node is not there.
func (v *view) peer(id string) *peer { return v.nodes[id] }

// add makes room for a resource, or a claim on one.
func (v *view) add(k Key) *slot {
	of := v.kinds[k.Kind]
	if of == nil {
		of = &kind{name: strings.Clone(k.Kind)}
		v.kinds[of.name] = of
	}
	of.slots++
	k = Key{Kind: of.name, ID: strings.Clone(k.ID)}
	s := &slot{key: k, hash: xxhash.Sum64String(k.String()), weight: 1}
	v.slots[k] = s
	v.index.add(s)
	return s
}

// forget drops a slot.
func (v *view) forget(s *slot) {
	delete(v.slots, s.key)
	v.index.remove(s)
	of := v.kinds[s.key.Kind]
	if of.slots--; of.slots == 0 {
		delete(v.kinds, of.name)
	}
}

// class returns the one class of a kind, requirements and preferences.
func (v *view) class(kind string, requires, prefers map[string]string) *class {
	name := kind + labelled(" ", requires) + labelled(" ~", prefers)
	c := v.classes[name]
	if c == nil {
		c = &class{name: name, kind: kind, requires: requires, prefers: prefers}
		v.sift(c)
		v.classes[name] = c
	}
	return c
}

// eligible tells whether a node may be given a resource, and has room for it.
func (v *view) eligible(s *slot, p *peer) bool {
	return s.class != nil && p.can(s.class) && p.loadBeside(s)+int64(s.weight) <= p.Room()
}

// leasesOf returns the leases of a term that claims are on.
func (v *view) leasesOf(t TermID) []LeaseID {
	var ids []LeaseID
	for id := range v.leases {
		if id.Term() == t {
			ids = append(ids, id)
		}
	}
	return ids
}

// planned tells whether targets stand for all that is homeless, so that what this node is to have is known.
func (v *view) planned(now Instant) bool { return v.listing.done && !v.dirty && now >= v.bids.settled }

// unheldSince returns since when a resource has been seen to be without a living holder; 0: it has one.
func (v *view) unheldSince(s *slot) Instant { return s.since }

// exists tells whether the resource is there, and not only a claim on it.
func (s *slot) exists() bool { return s.rev != 0 }

// live tells whether somebody should hold the resource.
func (s *slot) live() bool { return s.exists() && !s.paused && !s.bad }

// homeless tells whether somebody should hold the resource and no staying node does.
func (s *slot) homeless() bool { return s.live() && (s.holder == nil || !s.holder.stays()) }

// unheld tells whether no living node holds the resource; a leaving one still does.
func (s *slot) unheld() bool { return s.holder == nil || !s.holder.present() }
