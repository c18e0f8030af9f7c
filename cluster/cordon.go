package cluster

import (
	"encoding/json"
	"strings"
	"time"
)

// Cordon is what an operator says of a node under cordons/<node>: it is to be given nothing and keeps what it has
// or, when it is to be drained, hands that on as well. It stands until it is deleted, also over restarts of the node.
type Cordon struct {
	Reason string    `json:"reason,omitempty"` // for people
	Drain  bool      `json:"drain,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// ReadCordon reads the value of a cordon. Whatever is no JSON object is the reason of a plain one, so that
// "etcdctl put /drm/cordons/a 'disk to be replaced'" does what it seems to.
func ReadCordon(value []byte) Cordon {
	var c Cordon
	if json.Unmarshal(value, &c) != nil {
		return Cordon{Reason: string(value)}
	}
	return c
}

// cordon is a cordon as the view keeps it.
type cordon struct {
	Cordon
	rev int64
}

// takeCordon folds that an operator wants a node to be given nothing, to be drained, or no longer wants that.
func (v *view) takeCordon(node string, r Record, st step) bool {
	v.listing.name(r.Path, st)
	if !v.newer(r, v.cordons[node].rev, st) {
		return false
	}
	if r.Deleted {
		delete(v.cordons, node)
	} else {
		v.cordons[strings.Clone(node)] = cordon{ReadCordon(r.Value), r.Rev}
	}
	if p := v.nodes[node]; p != nil && v.heed(p) {
		v.reconsider(p, st)
		v.roomy = true
	}
	return true
}

// heed brings a node in line with its cordon, and tells whether what it may be given or keep has changed.
func (v *view) heed(p *peer) (changed bool) {
	c, cordoned := v.cordons[p.id]
	changed = p.cordoned != cordoned || p.draining != c.Drain
	p.cordoned, p.draining = cordoned, c.Drain
	return changed
}

// drain returns the revision of the cordon that has a node drained, 0 when none does.
func (v *view) drain(node string) int64 {
	if c := v.cordons[node]; c.Drain {
		return c.rev
	}
	return 0
}

// emptying tells whether all that this node holds is to go to others: it is leaving, as everybody knows by now, or
// an operator has it drained.
func (l *Loop) emptying() bool {
	return l.leaving && l.marked() || l.view.peer(l.cfg.Self.ID).draining
}

// acknowledge says under this node's key which drain it carries out, once no bid of its own is under way. The new revision of the
// key makes every hand-off to this node fail that was sent before its sender knew of the drain: from there on, what it
// holds only gets less.
func (l *Loop) acknowledge() {
	drain := l.view.drain(l.cfg.Self.ID)
	if l.view.peer(l.cfg.Self.ID).Draining == drain || l.leaving || drain != 0 && len(l.asking) > 0 {
		return
	}
	l.publish(func(n *Node) { n.Draining = drain })
}
