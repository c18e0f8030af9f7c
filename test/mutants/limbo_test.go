package mutants

// No silent limbo: what could be held is held within a bounded time.
var limboMutants = []mutant{
	{
		rule: "A claim deleted while its holder's node key stands rests.", broken: "a deleted claim is bid for at once",
		edits: []edit{{"fold_claim.go", "v.notBefore[s] = st.now.Add(blindFor(was))", ""}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "A claim deleted while its holder's node key stands rests.", broken: "it does not when the holder is leaving",
		edits: []edit{{"fold_claim.go", "case now == nil && was != nil && was.present():", "case now == nil && was != nil && was.stays():"}},
		test:  "TestScenarios/drain-unclaimed", says: `the plan differs from`,
	},
	{
		rule: "A target that is late is passed over by rank.", broken: "it is waited for",
		edits: []edit{{"bid.go", "		if p != me && len(due) < limit {", "		if p == nil {"}},
		test:  "TestScenarios/late", says: `the plan differs from`,
	},
	{
		rule: "To go on, the holder rewrites the claim on an own lease.", broken: "what is spent stays so",
		edits: []edit{{"hold.go", "	case h.epoch <= h.spent:\n		l.rewrite(h)\n", "	case h.epoch <= h.spent:\n"}},
		test:  "TestALateHandOff", says: `are not as they should be|is held by nobody`,
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
		rule: "Intake is by credit.", broken: "what was handed over is forgotten before the view shows it",
		edits: []edit{{"move.go", "					l.landing = append(l.landing, landed{to, ans.Rev})\n					l.lend(to, 1)\n", ""}},
		test:  "TestAnIntakeLeaseTakesNoMoreThanItsQuota", says: `has more than 1,000 claims`,
	},
	{
		rule: "A new intake lease only after what came on the last was started.", broken: "the next intake lease is named when the last is full",
		edits: []edit{{"intake.go", "p.onIntake < intakeQuota*9/10 || l.unstarted(c, now)", "p.onIntake < intakeQuota*9/10"}},
		test:  "TestABlackHoleIsGivenNoMoreThanItsCredit", says: `was given`,
	},
	{
		rule: "A new intake lease only after what came on the last was started.", broken: "what comes while the next lease is granted is not asked about",
		edits: []edit{{"intake.go", "case !gone && (p.onIntake < intakeQuota*9/10 || l.unstarted(c, now)):", "case !gone && l.next == nil && (p.onIntake < intakeQuota*9/10 || l.unstarted(c, now)):"}},
		test:  "TestAnIntakeLeaseIsNotNamedForWhatCameMeanwhile", says: `was given`,
	},
	{
		rule: "No runner is stopped for a move unless a guarded write got through in the last seconds.", broken: "moves begin whatever happens to writes",
		edits: []edit{{"move.go", "if now.Sub(l.lastWrite) > writesProven {", "if false {"}},
		test:  "TestNothingMovesWhileTheStoreIsFull", says: `was stopped for a move`,
	},
	{
		rule: "What waits to be handed off is looked at again when it need not go.", broken: "an undone drain tells nobody",
		edits: []edit{{"move.go", "		if h.run == nil {\n			l.touch(h)\n		}\n", ""}},
		test:  "TestADrainUndoneStrandsNothing", says: `is held by nobody`,
	},
	{
		rule: "What waits to be handed off is looked at again when it need not go.", broken: "that its target is gone tells nobody",
		edits: []edit{{"move.go", "		if h.run == nil {\n			l.touch(h)\n		}\n", ""}},
		test:  "TestADrainWithoutATargetStrandsNothing", says: `nobody else can take`,
	},
	{
		rule: "What waits for credit waits with its runner going.", broken: "what lands on a drained node waits without one",
		edits: []edit{{"move.go", "l.emptying() && l.view.credit(to) > 0", "l.emptying()"}},
		test:  "TestADrainWaitsWithoutAGap", says: `not what landed on it`,
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
	{
		rule: "Trouble outlives its holder.", broken: "what was noted is not read",
		edits: []edit{{"claim.go", "h.recall(rec, l.cfg.Clock())", "h.note.read = true"}},
		test:  "TestBackoffOfAnEarlierHolderEnds", says: `the pause ended with its holder`,
	},
	{
		rule: "What fails on a node is tried on another.", broken: "it stays where it is",
		edits: []edit{{"status.go", "		l.tryElsewhere(h, now)\n", ""}},
		test:  "TestANodeWhereEverythingFailsShrinks", says: `b and c run`,
	},
	{
		rule: "A node where everything fails asks for less.", broken: "any evidence will do",
		edits: []edit{{"ailing.go", "well < ailEvidence || well < 2*failed", "well+failed == 0"}},
		test:  "TestWhatFailsEverywhereMakesNoNodeAil", says: `ails: `,
	},
	{
		rule: "Nothing is left of what was removed while nobody held it.", broken: "nobody cleans up",
		edits: []edit{{"claim.go", "		l.tidy(s)\n", ""}},
		test:  "TestWhatIsRemovedWhileUnheldLeavesNothing", says: `left behind`,
	},
}
