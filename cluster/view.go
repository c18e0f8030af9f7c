package cluster

import "math/rand/v2"

// view is what this node knows of nodes, resources and claims as of one revision. It is owned by the loop's
// goroutine; fold is the only way in.
type view struct {
	self  string
	rev   int64   // everything up to here has been folded
	fresh Instant // and everything committed before this instant
	slots map[Key]*slot
	nodes map[string]*peer

	_ rand.Rand
}

// slot is one resource and the claim on it, as far as planning needs them; the spec itself is not kept.
type slot struct {
	key    Key
	hash   uint64
	rev    int64 // mod revision of the resource; 0: it doesn't exist
	weight int32
	class  int32 // index of its class: kind and required labels
	paused bool
	bad    bool // its newest spec can't be read; the last good weight and class stay

	claim  int64   // mod revision of the newest claim record; of a deletion, its revision
	lease  LeaseID // that the claim is on; 0: unclaimed
	holder *peer   // nil: unclaimed
	target *peer   // who is to claim it or be handed it; nil: not homeless, or nobody can

	asked bool // set by the loop while a bid of ours is unanswered
}

// peer is a node as others see it.
type peer struct {
	id       string
	Node           // the newest record; zero when only a claim has named the node
	rev      int64 // mod revision of nodes/<id>, what guards a hand-off; 0: absent
	cordoned bool  // an operator says: give it nothing
	load     int64 // weight held by it and targeted at it
	held     int   // claims it holds
	onIntake int   // claims seen on its present intake lease
}
