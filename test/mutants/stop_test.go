package mutants

// Stop first: what may become of a claim, and when.
var stopMutants = []mutant{
	{
		rule: "Hand-off: runner returned, then the claim is put on the target's lease.", broken: "the claim moves before its runner has returned",
		edits: []edit{{"move.go", "		l.stop(h, why, now)\n	}\n	l.touch(h)", "		l.stop(h, why, now)\n		l.handOff(h)\n	}\n	l.touch(h)"}},
		test:  "TestSimulation", says: overlap, short: true,
	},
	{
		rule: "Release: runner returned, then the claim is deleted.", broken: "the claim is deleted before its runner has returned",
		edits: []edit{{"hold.go", "		case want == release:\n			l.stop(h, why, now)", "		case want == release:\n			l.stop(h, why, now)\n			l.release(h, why)"}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "At the end of a term: runners returned, then its leases are revoked.", broken: "leases are revoked while runners return",
		edits: []edit{{"end.go", "		l.running.Wait()\n", ""}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "A lost lease is revoked when its runners have returned.", broken: "a lost lease is revoked under its runners",
		edits: []edit{{"request.go", "if c.ending && !c.revoking && now >= c.again && c.live.Load() == 0 {", "if c.ending && !c.revoking && now >= c.again {"}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "A hand-off is guarded by the epoch.", broken: "a hand-off overwrites whatever is there",
		edits: []edit{{"move.go", "If:    []Guard{{ClaimPath(key), h.epoch}, {NodePath(to.id), to.rev}},", "If:    []Guard{{NodePath(to.id), to.rev}},"}},
		test:  "TestALateHandOff", says: overlap,
	},
	{
		rule: "A hand-off is guarded by the target's node key.", broken: "a hand-off goes to a node that is leaving",
		edits: []edit{{"move.go", "If:    []Guard{{ClaimPath(key), h.epoch}, {NodePath(to.id), to.rev}},", "If:    []Guard{{ClaimPath(key), h.epoch}},"}},
		test:  "TestAHandOffToALeaver", says: `which is leaving|on lease`,
	},
	{
		rule: "A rewrite is guarded by the epoch.", broken: "a rewrite overwrites whatever is there",
		edits: []edit{{"claim.go", "If: []Guard{{ClaimPath(h.key), h.epoch}}, Path: ClaimPath(h.key), Value: value, Lease: on.id,", "Path: ClaimPath(h.key), Value: value, Lease: on.id,"}},
		test:  "TestALateRewrite", says: overlap,
	},
	{
		rule: "A release is guarded by the epoch.", broken: "a release deletes whatever is there",
		edits: []edit{{"claim.go", "op: Op{If: []Guard{{ClaimPath(h.key), h.epoch}}, Path: ClaimPath(h.key), Delete: true},", "op: Op{Path: ClaimPath(h.key), Delete: true},"}},
		test:  "TestALateRelease", says: overlap,
	},
	{
		rule: "A leaver hands everything off before it revokes.", broken: "a leaver ends before its view has passed the mark",
		edits: []edit{{"move.go", "	case !l.marked():\n		l.publish(func(n *Node) { n.Leaving = true })\n	default:", "	default:\n		l.publish(func(n *Node) { n.Leaving = true })"}},
		test:  "TestLeavingHandsEverythingOff", says: `were handed off`,
	},
	{
		rule: "A second signal: stop everything now.", broken: "the drain goes on",
		edits: []edit{{"loop.go", "		case <-l.cfg.Abort:\n", "		case <-make(chan struct{}):\n"}},
		test:  "TestAbortEndsADrain", says: `has not left`,
	},
}
