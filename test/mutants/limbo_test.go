package mutants

// No silent limbo: what could be held is held within a bounded time.
var limboMutants = []mutant{
	{
		rule: "A claim deleted while its holder's node key stands rests.", broken: "a deleted claim is bid for at once",
		edits: []edit{{"fold_claim.go", "v.notBefore[s] = st.now.Add(blindFor(was))", ""}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "Half a TTL of blind renewals and a window are less than the rest of a deleted claim.", broken: "a deleted claim rests for one TTL",
		edits: []edit{{"fold_claim.go", "return time.Duration(p.TTL) * 5 / 4", "return time.Duration(p.TTL)"}},
		test:  "TestTimingKeepsItsBounds", says: `acts for longer than others wait`,
	},
	{
		rule: "A timed-out transaction is unknown: adopt or release what the watch then shows.", broken: "only what was answered is held",
		edits: []edit{{"claim.go", "		h = &hold{key: s.key,", "		if _, bid := l.asking[s.key]; !bid && !l.term.index[s.lease].intake {\n			return\n		}\n		h = &hold{key: s.key,"}},
		test:  "TestALateBid", says: `is held by nobody`,
	},
	{
		rule: "Intake is by credit.", broken: "a node that starts nothing is given everything",
		edits: []edit{
			{"intake.go", "	left := p.Intake.Quota - p.onIntake\n", "	left := 1 << 20\n"},
		},
		test: "TestABlackHoleIsGivenNoMoreThanItsCredit", says: `claims are on lease`,
	},
	{
		rule: "A new intake lease only after what came on the last was started.", broken: "the next intake lease is named when the last is full",
		edits: []edit{{"intake.go", "now < l.askPause || !gone && l.unstarted(c, now):", "now < l.askPause:"}},
		test:  "TestABlackHoleIsGivenNoMoreThanItsCredit", says: `was given`,
	},
	{
		rule: "No runner is stopped for a move unless a guarded write got through in the last seconds.", broken: "moves begin whatever happens to writes",
		edits: []edit{{"move.go", "if now.Sub(l.lastWrite) > writesProven {", "if false {"}},
		test:  "TestNothingMovesWhileTheStoreIsFull", says: `was stopped for a move`,
	},
	{
		rule: "A claim that lands on us and won't be run is released.", broken: "a paused resource is held",
		edits: []edit{{"hold.go", "case s.rev == 0 || s.paused:", "case s.rev == 0:"}},
		test:  "TestSimulation", says: `held though it is paused`,
	},
	{
		rule: "What is refused is not asked for again at once.", broken: "leases are asked for without a pause",
		edits: []edit{{"request.go", "func (l *Loop) refrain() { l.askPause = l.cfg.Clock().Add(retryPause) }", "func (l *Loop) refrain() {}"}},
		test:  "TestAFullStoreIsNotAskedWithoutPause", says: `requests in a second`,
	},
}
