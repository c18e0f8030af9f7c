package mutants

// Operating: what people ask of the holder of a webhook, and what they are told.
var operateMutants = []mutant{
	{
		rule: "What an operator asks is done once.", broken: "the holder that follows does it again",
		edits: []edit{{"resources/webhook/operator.go", "return a.Rev == ask.Rev })", "return a.Rev < 0 })"}},
		in:    "resources/webhook", test: "TestAsksAreAnsweredOnce", says: `the next holder did it again`, short: true,
	},
	{
		rule: "A spec that is put again enables a webhook that was disabled.", broken: "it stays disabled",
		edits: []edit{{"resources/webhook/record.go", "c.Disabled.Spec >= l.specRev", "c.Disabled.Spec <= l.specRev"}},
		in:    "resources/webhook", test: "TestDisabledWebhookKeepsEverything", says: `after the spec was put again`,
	},
	{
		rule: "What an attempt says of an event's time, all others say.", broken: "a holder that follows gives it another time",
		edits: []edit{{"resources/webhook/record.go", "Key: d.key, First: d.first}", "Key: d.key}"}},
		in:    "resources/webhook", test: "TestTimeOfAnEventStaysTheSame", says: `after a crash`,
	},
	{
		rule: "A replay sends what was delivered, and skips nothing that was not.", broken: "the log is taken up further on",
		edits: []edit{{"resources/webhook/operator.go", "if after.Compare(l.at) > 0 {", "if after.Rev < 0 {"}},
		in:    "resources/webhook", test: "TestOperatorsDecide$", says: `was done`,
	},
	{
		rule: "What must not overtake another is not replayed before it.", broken: "all that waits is sent at once",
		edits: []edit{{"resources/webhook/operator.go", "l.active[d.ref] == nil && l.first(d)", "l.active[d.ref] == nil"}},
		in:    "resources/webhook", test: "TestOperatorsDecideAboutAllThatWaits", says: `want the first of each`,
	},
}
