package mutants

// Trimming: what may be deleted, by whom and when.
var trimMutants = []mutant{
	{
		rule: "What a webhook has not passed stays.", broken: "topics named by globs count for nothing",
		edits: []edit{{"resources/trim/readers.go", "for glob, other := range r.globs {", "for glob, other := range map[string]events.Position(nil) {"}},
		in:    "resources/trim", test: "TestWhatEverybodyHasPassedGoesAfterItsRetention", says: `there are the events`,
	},
	{
		rule: "What a webhook has not passed stays: also when it was never held.", broken: "it begins at the end of the log",
		edits: []edit{{"resources/webhook/need.go", "case says.Start == startOldest:\n		n.After = events.Position{}", "case says.Start == startOldest:"}},
		in:    "resources/trim", test: "TestWhatAWebhookMayStillWantStays", says: `there are the events`,
	},
	{
		rule: "What a webhook has not passed stays: also while its spec has an error.", broken: "the topics of the last good spec are forgotten",
		edits: []edit{{"resources/webhook/need.go", "return []Need{n, *cursor}", "return []Need{n}"}},
		in:    "resources/trim", test: "TestWhatAWebhookMayStillWantStays", says: `there are the events`,
	},
	{
		rule: "What a ledger names stays.", broken: "what is on its way is forgotten",
		edits: []edit{{"resources/webhook/need.go", "e.Refs = append(e.Refs, f.Event)", "_ = f"}},
		in:    "resources/trim", test: "TestWhatALedgerNamesStaysUntilMaxRetention", says: `there are the events`,
	},
	{
		rule: "No wall clock makes an event older.", broken: "marks have the time of the wall clock",
		edits: []edit{
			{"resources/trim/ages.go", "mark{a.Counted, rev}", "mark{cluster.Duration(time.Now().UnixNano()), rev}"},
			{"resources/trim/ages.go", "time.Duration(a.Counted-a.Marks[i].At) < age", "time.Since(time.Unix(0, int64(a.Marks[i].At))) < age"},
		},
		in: "resources/trim", test: "TestAWallClockMakesNothingOlder", says: `there are the events`,
	},
	{
		rule: "No event is taken for older than it is.", broken: "the mark after is taken",
		edits: []edit{{"resources/trim/ages.go", "return a.Marks[n-1].Rev", "return a.Marks[min(n, len(a.Marks)-1)].Rev"}},
		in:    "resources/trim", test: "TestNothingIsTakenForOlderThanItIs", says: `is taken for`,
	},
	{
		rule: "Only the holder deletes.", broken: "deletions have no fence",
		edits: []edit{{"resources/trim/pass.go", "{h.fence(), {Path: e.path, Rev: e.at.Rev}}", "{{Path: e.path, Rev: e.at.Rev}}"}},
		in:    "resources/trim", test: "TestAHolderThatWasReplacedDeletesNothing", says: `a holder that was replaced`,
	},
	{
		rule: "Only what was looked at is deleted.", broken: "deletions go by the key alone",
		edits: []edit{{"resources/trim/pass.go", "{h.fence(), {Path: e.path, Rev: e.at.Rev}}", "{h.fence()}"}},
		in:    "resources/trim", test: "TestOnlyWhatWasLookedAtGoes", says: `there are the events`,
	},
	{
		rule: "A resource that is put again keeps what it had.", broken: "deletions are not guarded by its absence",
		edits: []edit{{"resources/trim/leftover.go", ", {Path: cluster.ResourcePath(k)}", ""}},
		in:    "resources/trim", test: "TestAResourceThatIsPutAgainKeepsWhatItHad", says: `kept`,
	},
	{
		rule: "Of too many, those go first that nobody needs.", broken: "what is needed and what is not go by age alone",
		edits: []edit{{"resources/trim/pass.go", "	case v.passed:\n		p.spare.Add(v)\n", ""}},
		in:    "resources/trim", test: "TestTooManyGoOldestFirstAndPassedOnesBeforeThose", says: `there are the events`,
	},
}
