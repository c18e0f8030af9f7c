package cluster

// tidy deletes what an earlier holder noted about a resource that is gone, when nobody holds it who could: its holder died before it was
// removed, or it was removed while it waited for one. One node does it, the first for the resource by rendezvous hash among those
// there are. An orderly release leaves nothing behind, and of what is removed while no node is there the note stays until the resource comes
// again: it does no harm, being about another spec.
func (l *Loop) tidy(s *slot) {
	_, released := l.view.notBefore[s] // by a living holder, or an operator
	if !l.registered || l.leaving || s.exists() || s.holder != nil || s.lease != 0 || released || l.view.first(s) != l.cfg.Self.ID {
		return
	}
	gone := []Guard{{ClaimPath(s.key), 0}, {ResourcePath(s.key), 0}}
	for _, path := range []string{StatusPath(s.key), StatePath(s.key, lastGood)} {
		l.post(request{op: Op{If: gone, Path: path, Delete: true}, then: func(Result, Answer, error) {}})
	}
}

// first returns the node that comes first for a resource among all that are there, whether or not it may have it.
func (v *view) first(s *slot) string {
	var first *peer
	for _, p := range v.members {
		if first == nil || rendezvous(s, p) > rendezvous(s, first) {
			first = p
		}
	}
	if first == nil {
		return ""
	}
	return first.id
}
