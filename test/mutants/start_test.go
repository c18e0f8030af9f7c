package mutants

// Start: under which claim a runner may begin.
var startMutants = []mutant{
	{
		rule: "Start only on a lease of this term.", broken: "claims of an earlier term of the node are its own",
		edits: []edit{
			{"claim.go", "s.lease == 0 || s.lease.Term() != l.term.id || l.term.index[s.lease] == nil", "s.lease == 0 || s.lease.Term() != l.term.id && !l.past[s.lease.Term()]"},
			{"hold.go", "mine := s.lease != 0 && s.lease.Term() == l.term.id", "mine := s.lease != 0 && (s.lease.Term() == l.term.id || l.past[s.lease.Term()])"},
			{"hold.go", "if h.lease = l.term.index[h.slot.lease]; h.lease == nil {", "if h.lease = l.term.index[h.slot.lease]; h.lease == nil {\n\t\t\th.lease = l.term.all()[0]\n\t\t}\n\t\tif h.lease == nil {"},
		},
		test: "TestAnEarlierTermsClaimsAreNotRun", says: `ran on an earlier term's claim|though its claim in the store|with only .* left`,
	},
	{
		rule: "Start only on a trusted lease.", broken: "a lease that is lost or past its trust will do",
		edits: []edit{
			{"hold.go", "if !l.attach(h) || h.lease.lost.Load() {", "if !l.attach(h) {"},
			{"hold.go", "case h.lease.trusted(now, l.term.timing.stop):", "default:"},
		},
		test: "TestNothingStartsOnALostLease", says: `with only .* left on lease`,
	},
	{
		rule: "Per key the highest revision wins.", broken: "an answer is believed though the watch is past it",
		edits: []edit{{"fold_claim.go", "if s == nil || r.Rev <= s.claim || r.Rev <= v.rev {", "if s == nil {"}},
		test:  "TestAnAnswerThatTheWatchHasOvertaken", says: overlap,
	},
	{
		rule: "An epoch whose runner has ended never runs again.", broken: "the end of a run spends nothing",
		edits: []edit{{"run.go", "	h.spent = max(h.spent, r.epoch)\n", ""}},
		test:  "TestSimulation", says: `runs on .* at epoch \d+ after epoch`, short: true,
	},
	{
		rule: "An epoch for which a hand-off was sent never runs again, whatever the answer.", broken: "a hand-off spends nothing",
		edits: []edit{{"move.go", "	h.spent = max(h.spent, h.epoch)\n", ""}},
		test:  "TestALateHandOff", says: overlap,
	},
	{
		rule: "An epoch for which a release was sent never runs again, whatever the answer.", broken: "a release spends nothing",
		edits: []edit{{"claim.go", "	h.spent = max(h.spent, h.epoch)\n", ""}},
		test:  "TestALateRelease", says: overlap,
	},
	{
		rule: "A DELETE or foreign PUT seen on an own claim ends that claim at once.", broken: "the runner of a deleted claim goes on",
		edits: []edit{{"hold.go", "case !mine || s.claim != h.run.epoch:", "case false:"}},
		test:  "TestSimulation", says: overlap,
	},
	{
		rule: "On compaction: relist and diff by mod revision.", broken: "a relist compares holders",
		edits: []edit{{"fold_claim.go", "	if !v.newer(r, v.claimRev(s), st) {", "	if !v.newer(r, v.claimRev(s), st) || st.listed != 0 && s.lease == r.Lease {"}},
		test:  "TestAForeignPutFoundByListing", says: `though its claim in the store|was not run again`,
	},
	{
		rule: "On compaction: synthesize deletes.", broken: "what a relist doesn't name goes on",
		edits: []edit{{"fold.go", "	for _, path := range gone {", "	for _, path := range gone[:0] {"}},
		test:  "TestADeletionFoundByListing", says: `though it was removed`,
	},
	{
		rule: "A panic of a runner is one resource's failure.", broken: "a panic ends the process",
		edits: []edit{{"run.go", "if p := recover(); p != nil {", "if p := any(nil); p != nil {"}},
		test:  "TestSimulation", says: `panic: flaky`,
	},
	{
		rule: "A permanent error quarantines until the spec changes.", broken: "what is permanent is tried again",
		edits: []edit{{"trouble.go", "case IsPermanent(r.err):", "case false:"}},
		test:  "TestAPermanentErrorIsNotRepeated", says: `ran \d+ times`,
	},
}
