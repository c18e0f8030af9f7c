package mutants

// Writes: what a node may put into the store.
var writeMutants = []mutant{
	{
		rule: "A term creates its node key and never overwrites.", broken: "a node key is overwritten",
		edits: []edit{
			{"join.go", "op: Op{If: []Guard{{path, 0}}, Path: path,", "op: Op{Path: path,"},
			{"join.go", "p != nil && p.rev != 0 {\n		l.meet(p, now)", "p != nil && p.rev < 0 {\n		l.meet(p, now)"},
		},
		test: "TestSimulation", says: `was overwritten`,
	},
	{
		rule: "Claim: if the key does not exist, then put.", broken: "a bid has no guard",
		edits: []edit{{"claim.go", "If: []Guard{{ClaimPath(key), 0}}, Path: ClaimPath(key)", "Path: ClaimPath(key)"}},
		test:  "TestSimulation", says: overlap + `|was taken by`, short: true,
	},
	{
		rule: "Never write a claim without its lease.", broken: "a bid puts without one",
		edits: []edit{{"claim.go", "If: []Guard{{ClaimPath(key), 0}}, Path: ClaimPath(key), Value: l.claimValue, Lease: on.id,", "If: []Guard{{ClaimPath(key), 0}}, Path: ClaimPath(key), Value: l.claimValue,"}},
		test:  "TestSimulation", says: `on no lease`,
	},
	{
		rule: "Claim leases carry at most 1,000 keys each.", broken: "one lease takes all",
		edits: []edit{{"request.go", "return maxOnLease - c.claims - c.reserved", "return 100*maxOnLease - c.claims - c.reserved"}},
		test:  "TestThreeThousandResources", says: `claims are on lease`,
	},
	{
		rule: "One batch per lease: a lease that is gone rejects a whole request.", broken: "requests on all leases go together",
		edits: []edit{
			{"request.go", "if len(o.queues[r.op.Lease]) == 0 {\n		o.order = append(o.order, r.op.Lease)", "if len(o.queues[0]) == 0 {\n		o.order = append(o.order, 0)"},
			{"request.go", "o.queues[r.op.Lease] = append(o.queues[r.op.Lease], r)", "o.queues[0] = append(o.queues[0], r)"},
		},
		test: "TestSimulation", says: `held by nobody|the spread is|though`,
	},
	{
		rule: "A node key lost ends the term.", broken: "a term goes on without its node key",
		edits: []edit{{"loop.go", "case p == nil || p.rev == 0 || p.Term != l.term.id:", "case p == nil && l.leaving:"}},
		test:  "TestALostNodeKeyEndsTheTerm", says: `has not begun another term|nil pointer`,
	},
	{
		rule: "An old term is revoked only when its worker is proven dead.", broken: "a life that can't be judged counts as dead",
		edits: []edit{{"join.go", "	case verdict == Dead:\n", "	case verdict != Alive:\n"}},
		test:  "TestAnUnknownLifeIsNotBuried", says: overlap,
	},
	{
		rule: "A live one with the same id is refused, by address.", broken: "a second process waits",
		edits: []edit{{"join.go", "case verdict == Alive && !p.Leaving:", "case false:"}},
		test:  "TestASecondProcessIsRefused", says: `was not refused`,
	},
	{
		rule: "A restored etcd: end the term, drop the view.", broken: "a term goes on over a restored store",
		edits: []edit{
			{"request.go", "if errors.Is(err, ErrRestored) {", "if false {"},
			{"loop.go", "	if errors.Is(err, ErrRestored) {\n		l.fail(endRestored, err)\n		return\n	}\n	l.fail(endError, err)", "	_ = err"},
		},
		test: "TestARestoredStoreEndsTheTerm", says: `has not begun another term`,
	},
}
