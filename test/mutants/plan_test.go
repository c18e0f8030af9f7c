package mutants

// The plan: what is safe without it, but wasteful or uneven.
var planMutants = []mutant{
	{
		rule: "What came from a node as it left goes back to it first.", broken: "the longest held goes first",
		edits: []edit{{"stay.go", "	if me.guests > 0 {", "	if false {"}},
		test:  "TestRollingRestart", says: `has moved \d times`,
	},
	{
		rule: "What has moved twice is at home where it is.", broken: "it is given another origin",
		edits: []edit{{"move.go", "if l.emptying() && l.view.peer(h.origin) == nil {", "if l.emptying() {"}},
		test:  "TestRollingRestart", says: `has moved \d times`,
	},
	{
		rule: "Each zone has its part of what doesn't come out even.", broken: "what rounding leaves is dealt to whom it moves least",
		edits: []edit{{"plan_zone.go", "	if a, b := s.calls(lackA), s.calls(lackB); a != b {\n		return a > b\n	}\n", ""}},
		test:  "TestZonesHaveTheirParts", says: `a zone of \d+ nodes out of`,
	},
	{
		rule: "All nodes plan by the newest version that they share.", broken: "each plans by the newest that any of them knows",
		edits: []edit{{"member.go", "if n >= most {", "if n >= most || n > 0 {"}},
		test:  "TestPlanAmongMany", says: `of bids were lost`,
	},
	{
		rule: "Nodes with the most of the labels preferred come first.", broken: "all that may have a resource are alike",
		edits: []edit{{"member.go", "	if v.version < zonesSince {\n		c.best = c.able", "	if true {\n		c.best = c.able"}},
		test:  "TestScenarios/prefers", says: `the plan differs from`,
	},
	{
		rule: "A rolling restart moves nothing more than twice.", broken: "rounding doesn't know whose resources are away",
		edits: []edit{{"plan.go", "sh.home > floor == atHome", "false == atHome"}},
		test:  "TestRollingRestart", says: `has moved`,
	},
}
