package cluster

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Explanation says where a resource is and why, or why it is nowhere.
type Explanation struct {
	ResourceInfo
	Requires map[string]string `json:"requires,omitempty"`
	Prefers  map[string]string `json:"prefers,omitempty"`
	Target   string            `json:"target,omitempty"` // the node that the plan means it for
	Why      string            `json:"why"`              // a sentence for people
	Nodes    []Fit             `json:"nodes"`            // by id
}

// Fit says whether a node could have a resource.
type Fit struct {
	Node     string   `json:"node"`
	Holds    bool     `json:"holds,omitempty"`
	Fits     bool     `json:"fits"`
	Against  []string `json:"against,omitempty"` // what keeps it from being given the resource: sentences for people
	Load     int64    `json:"load"`              // without the resource
	Capacity *int64   `json:"capacity,omitempty"`
	Weight   int64    `json:"weight"`
	Zone     string   `json:"zone,omitempty"`
	Last     bool     `json:"last,omitempty"` // others have more of what the resource prefers: it comes after them
}

// Explain says why a resource is where it is, or why it is nowhere, and what each node has to do with it; false if there is no such
// resource.
func (s *Snapshot) Explain(key Key) (Explanation, bool) {
	v, slot := s.view, s.view.slots[key]
	if slot == nil {
		return Explanation{}, false
	}
	e := Explanation{ResourceInfo: v.resourceInfo(slot, s.now, s.wall), Why: s.why(slot), Nodes: []Fit{}}
	if slot.target != nil {
		e.Target = slot.target.id
	}
	if slot.class == nil {
		return e, true
	}
	e.Requires, e.Prefers = slot.class.requires, slot.class.prefers
	for _, p := range v.members {
		against := v.objections(slot, p)
		e.Nodes = append(e.Nodes, Fit{
			Node: p.id, Holds: slot.holder == p, Fits: len(against) == 0, Against: against,
			Load: p.loadBeside(slot), Capacity: p.Capacity, Weight: p.Weight, Zone: p.Zone,
			Last: p.takes() && len(slot.class.prefers) > 0 && !slot.class.first(p),
		})
	}
	return e, true
}

// why says why a resource is where it is.
func (s *Snapshot) why(slot *slot) string {
	v, p := s.view, slot.holder
	switch {
	case p == nil && !slot.exists():
		return "it was removed, and nobody holds it any more"
	case slot.unheld() && slot.exists():
		return v.unheldDetail(slot, v.unheldReason(slot), s.now)
	case !slot.exists():
		return fmt.Sprintf("it was removed, and %s is about to let go of it", p.id)
	case slot.paused:
		return fmt.Sprintf("its spec pauses it, and %s is about to let go of it", p.id)
	case slot.bad:
		return fmt.Sprintf("%s holds it and runs the last good spec, if it has one; the newest can't be read: %s",
			p.id, v.unusable[ResourcePath(slot.key)].err)
	case p.stays():
		for _, m := range s.Balance().Moves {
			if m.Key == slot.key {
				return fmt.Sprintf("%s holds it, and is to hand it to %s: it %s", p.id, m.To, m.Why)
			}
		}
		return fmt.Sprintf("%s holds it, and keeps it until it leaves, is drained or bears more than its part", p.id)
	case slot.target != nil:
		return fmt.Sprintf("%s holds it and is %s; it is to go to %s", p.id, p.state(), slot.target.id)
	}
	return fmt.Sprintf("%s holds it and is %s, but can hand it to nobody: %s",
		p.id, p.state(), v.unheldDetail(slot, v.pendingReason(slot.class), s.now))
}

// objections says what keeps a node from being given a resource, nothing when it is eligible.
func (v *view) objections(s *slot, p *peer) []string {
	var against []string
	object := func(format string, args ...any) { against = append(against, fmt.Sprintf(format, args...)) }
	if !p.takes() {
		switch state := p.state(); {
		case state != stateReady && v.cordons[p.id].Reason != "":
			object("it is %s: %s", state, v.cordons[p.id].Reason)
		case state != stateReady:
			object("it is %s", state)
		default:
			object("it doesn't know version %d of the planner", v.version)
		}
	}
	if !p.runs(s.class) {
		object("it runs %s, not %s", strings.Join(p.Kinds, ", "), s.class.kind)
	}
	for _, label := range slices.Sorted(maps.Keys(s.class.requires)) {
		wanted := s.class.requires[label]
		if has, ok := p.label(label); !ok {
			object("it has no label %s, which must be %s", label, wanted)
		} else if has != wanted {
			object("its label %s is %s, not %s", label, has, wanted)
		}
	}
	if room := p.Room() - p.loadBeside(s); room < int64(s.weight) {
		object("it has room for %d, and the resource weighs %d", max(room, 0), s.weight)
	}
	return against
}

// Balance is what balancing would move, and what comes of it.
type Balance struct {
	// Waits says why nothing moves now, "" when moves may begin. Nodes may know more: nothing moves for a while when many of them have vanished
	// at once, nor does a resource that has just moved.
	Waits  string  `json:"waits,omitempty"`
	Shares []Share `json:"shares"` // of the nodes that may be given something, by id
	Moves  []Move  `json:"moves"`  // by the nodes that give, then as they would
}

// Share is what a node bears now, and would after all moves.
type Share struct {
	Node   string `json:"node"`
	Weight int64  `json:"weight"`
	Load   int64  `json:"load"`
	After  int64  `json:"after"`
}

// Move is a resource that balancing would hand from one node to another.
type Move struct {
	Key
	Weight int64  `json:"weight"`
	From   string `json:"from"`
	To     string `json:"to"`
	Why    string `json:"why"` // for people
}

// Balance works out all that nodes would move for all of them to bear their parts, with the plan of the nodes. Nodes go there a
// limited number of moves at a time, and look anew after each.
func (s *Snapshot) Balance() Balance {
	v := s.view
	at := max(s.now, v.calm.from()) // that the nodes were listed just now is no reason to wait
	b := Balance{Waits: v.unrest(at), Shares: []Share{}, Moves: []Move{}}
	after := map[*peer]int64{}
	for _, p := range v.members {
		if !p.takes() {
			continue
		}
		moves := v.choose(p, v.flows(p, at), math.MaxInt, at, func(*peer) int { return math.MaxInt }, func(*slot) bool { return true })
		clear(v.calm.moving) // choose takes them for begun
		for _, m := range moves {
			weight := int64(m.slot.weight)
			b.Moves = append(b.Moves, Move{Key: m.slot.key, Weight: weight, From: p.id, To: m.to.id, Why: m.why})
			after[p] -= weight
			after[m.to] += weight
		}
	}
	for _, p := range v.members {
		if p.takes() {
			b.Shares = append(b.Shares, Share{Node: p.id, Weight: p.Weight, Load: p.load, After: p.load + after[p]})
		}
	}
	return b
}
