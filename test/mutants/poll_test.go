package mutants

// Polling, and resources that list others: what is on record, and whose it is.
var pollMutants = []mutant{
	{
		rule: "What a poll found is on record only after the sink has taken it.", broken: "the record is written first",
		edits: []edit{{
			"resources/httppoll/round.go", "	if err := r.send(); err != nil {\n		return err\n	}\n	var seen", "	defer r.send()\n	var seen",
		}},
		in: "resources/httppoll", test: "TestEndBetweenSinkAndRecord", says: `the first holder|the receiver got`,
	},
	{
		rule: "A cursor moves on at the end of a poll that went well.", broken: "it does as soon as it is known",
		edits: []edit{{"resources/httppoll/round.go", "r.record.Cursor = cursor\n", "r.record.Cursor, r.hold.record.Cursor = cursor, cursor\n"}},
		in:    "resources/httppoll", test: "TestCursor", says: `step 2`,
	},
	{
		rule: "A poll goes through each page once.", broken: "a link back is followed",
		edits: []edit{{"resources/httppoll/next.go", "w.visited[to.String()] || ", ""}},
		in:    "resources/httppoll", test: "TestPages", says: `link in circles`,
	},
	{
		rule: "Nothing is forgotten that was in the list before.", broken: "it is in the middle of a poll",
		edits: []edit{{"resources/httppoll/window.go", "for forget && ", "for "}},
		in:    "resources/httppoll", test: "TestWindow", says: `is not known`,
	},
	{
		rule: "When to poll goes by the name of the resource.", broken: "it goes by when the run began",
		edits: []edit{{"resources/pull/pace.go", "p.phase = time.Duration(name % uint64(interval))", "p.phase = time.Duration(now.UnixNano()) % interval"}},
		in:    "resources/pull", test: "TestPhaseIsSpreadAndStays", says: `after it moved|χ²`, short: true,
	},
	{
		rule: "A redirect to another origin gets no credentials.", broken: "it gets them",
		edits: []edit{{"resources/post/fetch.go", "trusted = trusted && SameOrigin(to, home)", "trusted = trusted || SameOrigin(to, home)"}},
		in:    "resources/post", test: "TestFetchFollowsRedirects", says: `another origin got`,
	},
	{
		rule: "A resource and its record are written together.", broken: "the record has no guard on the resource",
		edits: []edit{{"state/edit.go", "			If: guards, Path: cluster.StatePath", "			If: guards[:1], Path: cluster.StatePath"}},
		in:    "state", test: "TestEditsAreMadeWhole", says: `true true true|kept`,
	},
	{
		rule: "Only the holder edits.", broken: "edits have no fence",
		edits: []edit{{"state/edit.go", "{p.claim, {Path: path, Rev: e.Rev}}", "{{Path: path, Rev: e.Rev}, {Path: path, Rev: e.Rev}}"}},
		in:    "state", test: "TestEditIsFenced", says: `kept`,
	},
	{
		rule: "What is not its own a source never touches.", broken: "what somebody has changed counts as its own",
		edits: []edit{{"resources/source/plan.go", "(!recorded || as != now.spec)", "(!recorded || as == digest{})"}},
		in:    "resources/source", test: "TestSourceTouchesNothingElse", says: `changed by hand`,
	},
	{
		rule: "A source removes no more than max_removal at once.", broken: "it does",
		edits: []edit{{"resources/source/plan.go", "h.spec.MaxRemoval*float64(own)", "float64(own)"}},
		in:    "resources/source", test: "TestSourceRefusesMassRemoval", says: `there is`,
	},
}
