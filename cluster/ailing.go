package cluster

import (
	"errors"
	"fmt"
	"time"
)

// A node on which everything fails is told apart from resources that fail everywhere by trials: only what runs elsewhere speaks
// against the node. Such a node asks for less of the load by lowering the weight under its own key, so that balancing takes from it
// what it does badly. It never asks for nothing: by what it keeps, it notices that all is well again.
const (
	// ailSteps is how often a node lowers its weight at most, each time to a quarter.
	ailSteps = 3
	// ailEvery is how far apart changes of the weight are at least: the key that says so guards every hand-off to the node.
	ailEvery = time.Minute
	// ailEvidence is how many trials must have gone well of late, and twice as many as went wrong.
	ailEvidence = 3
	// idleRecovery is after how long a node that holds nothing asks for more: it can learn nothing otherwise.
	idleRecovery = 5 * time.Minute
)

// Ailing is what a node says of itself on which resources fail that run elsewhere.
type Ailing struct {
	Of     int64     `json:"of"` // the weight that it was set to
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// health is what a node makes of how its resources fare.
type health struct {
	stage   int     // how often the weight was lowered
	changed Instant // when that last changed
	well    Instant // since when next to nothing has failed here; 0: something does
	reason  string
	since   time.Time
}

// judgeSelf decides, at each look, whether this node is to ask for less of the load, or for more again.
// ill is how many resources fail here again and again.
func (l *Loop) judgeSelf(ill int, now Instant) {
	if !l.registered || l.leaving {
		return
	}
	all := len(l.holds)
	well, failed := l.trials.counts(now)
	v := &l.health
	switch {
	case ill*10 > all:
		v.well = 0
	case v.well == 0:
		v.well = now
	}
	rank, most := l.view.ailing()
	switch {
	case v.stage > 0 && rank >= most:
		l.ail(0, "", now) // so many at once are not to blame themselves: the world outside is
	case v.changed != 0 && now.Sub(v.changed) < ailEvery:
	case v.stage > 0 && (v.healthy(all, now) || failed >= ailEvidence && failed >= well):
		l.trials.verdicts = nil // to get worse again takes new evidence
		l.ail(v.stage-1, v.reason, now)
	case v.stage == ailSteps || rank >= most || well < ailEvidence || well < 2*failed:
	case v.stage > 0 && 2*ill >= max(all, 1), v.stage == 0 && 2*(ill+well) >= all+well:
		l.ail(v.stage+1, fmt.Sprintf("%d of %d resources fail here, and %d of %d tried elsewhere run there", ill, all, well, well+failed), now)
	}
	l.publishWeight()
}

// healthy tells whether all has been well for long enough to ask for more.
func (v *health) healthy(held int, now Instant) bool {
	least := ailEvery
	if held == 0 {
		least = idleRecovery
	}
	return v.well != 0 && now.Sub(v.well) >= least
}

// ail changes how much less than its weight the node asks for.
func (l *Loop) ail(stage int, reason string, now Instant) {
	v := &l.health
	if v.stage == 0 {
		v.since = time.Now().UTC().Truncate(time.Second)
	}
	v.stage, v.changed, v.reason = stage, now, reason
	e := Event{Type: Ailed, Count: int(l.weight())}
	if stage > 0 {
		e.Err = errors.New(reason)
	}
	l.tell(e)
}

// weight is what the node asks for now.
func (l *Loop) weight() int64 { return max(1, l.cfg.Self.Weight>>(2*l.health.stage)) }

// publishWeight says under the node's key what it asks for, if that has changed.
func (l *Loop) publishWeight() {
	p, v := l.view.peer(l.cfg.Self.ID), l.health
	if p == nil || p.Weight == l.weight() && (p.Ailing != nil) == (v.stage > 0) {
		return
	}
	l.publish(func(n *Node) {
		n.Weight, n.Ailing = l.weight(), nil
		if v.stage > 0 {
			n.Ailing = &Ailing{Of: l.cfg.Self.Weight, Reason: v.reason, Since: v.since}
		}
	})
}

// ailing returns how many nodes come before this one among those that ail, or would if it did, and how many may at once: a third of
// all. Two that begin at the same time find out here, and the one whose id comes later takes it back.
func (v *view) ailing() (rank, most int) {
	me := v.nodes[v.self]
	for _, p := range v.members {
		if p != me && p.Ailing != nil && (me == nil || me.Ailing == nil || p.id < v.self) {
			rank++
		}
	}
	return rank, (len(v.members) + 2) / 3
}
