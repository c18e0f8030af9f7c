package mutants

// Delivering: events are read from a log that may be compacted, each is sent as its mode says, and what becomes of it is written down
// under the epoch.
var deliverMutants = []mutant{
	{
		rule: "Before a byte of an event is sent, the intent is on record.", broken: "what is begun is sent before it is written down",
		edits: []edit{{"resources/webhook/hold.go", "		h.begun = append(h.begun, d)\n", "		h.send(d)\n"}},
		in:    "resources/webhook", test: "TestARecordIsAheadOfEachRequest", says: `came, and on record are`, short: true,
	},
	{
		rule: "Before a byte of an event is sent, the intent is on record.", broken: "the cursor is written without what is on its way",
		edits: []edit{{"resources/webhook/record.go", "if d.dir != doubtDir { // of those", "if d.dir == doubtDir { // of those"}},
		in:    "resources/webhook", test: "TestLaneKeepsItsPromises", says: `is sent again in mode|was neither taken nor is it on record`,
	},
	{
		rule: "What a holder left without outcome is in doubt.", broken: "it is sent again",
		edits: []edit{{"resources/webhook/record.go", "l.doubted(d, outcome{verdict: inDoubt, err: errLeftover}, now)", "l.rouse(d, now)"}},
		in:    "resources/webhook", test: "TestLaneKeepsItsPromises", says: `is sent again in mode`,
	},
	{
		rule: "What is in doubt was not certainly not sent.", broken: "it is sent again",
		edits: []edit{{"resources/webhook/settle.go", "	case inDoubt:\n		l.doubted(d, o, now)", "	case inDoubt:\n		l.again(d, o, now)"}},
		in:    "resources/webhook", test: "TestLaneKeepsItsPromises", says: `is sent again in mode`,
	},
	{
		rule: "An event that was taken up is on its way, on record or settled.", broken: "the cursor is written before the entries that it is past",
		edits: []edit{{
			"resources/webhook/record.go", "	for ref, changes := range l.changes {\n		if len(r.changes)+len(changes) > maxChanges {",
			"	for ref, changes := range l.changes {\n		if len(r.changes)+len(changes) > 0 {\n			break\n		}\n		if len(r.changes)+len(changes) > maxChanges {",
		}},
		in: "resources/webhook", test: "TestLaneKeepsItsPromises", says: `was neither taken nor is it on record|never idle|never at rest|is sent again`,
	},
	{
		rule: "What was sent is waited for when a webhook is to go.", broken: "it is called off",
		edits: []edit{{"resources/webhook/deliver.go", "o := h.sender.attempt(h.claim.Held, e,", "o := h.sender.attempt(h.ctx, e,"}},
		in:    "resources/webhook", test: "TestAnEditWaitsForTheAnswer", says: `the run ended|on record is`,
	},
	{
		rule: "What etcd refuses is written again.", broken: "the run ends, and forgets the outcomes",
		edits: []edit{{"resources/webhook/hold.go", "if !errors.Is(err, cluster.ErrRefused) {", "if h != nil || !errors.Is(err, cluster.ErrRefused) {"}},
		in:    "resources/webhook", test: "TestAFullStoreSendsNothing", says: `the run has not ended|it shows|on record is`,
	},
	{
		rule: "An event waits for those before it with the same key.", broken: "nobody looks at them",
		edits: []edit{{"resources/webhook/lane.go", "busy := len(l.lines[d.key]) > 0 && ", "busy := len(l.lines[d.key]) < 0 && "}},
		in:    "resources/webhook", test: "TestLaneKeepsItsPromises", says: `with the same key, is not settled`,
	},
	{
		rule: "A receiver that asks for a pause is left alone.", broken: "its word is about the one event",
		edits: []edit{{"resources/webhook/pace.go", "	at = p.rest\n", "	at = time.Time{}\n"}},
		in:    "resources/webhook", test: "TestRetryAfterSlowsTheLane", says: `was sent before the hour was over`,
	},
	{
		rule: "A receiver that wants to be asked is sent nothing before its leave.", broken: "it is sent what there is when it has refused",
		edits: []edit{{"resources/webhook/leave.go", "return false, h.askNext", "return true, h.askNext"}},
		in:    "resources/webhook", test: "TestLeaveIsAskedFor", says: `came OPTIONS POST|it shows`,
	},
	{
		rule: "State is written under the epoch of its claim.", broken: "a write is not guarded by it",
		edits: []edit{{"state/write.go", "append([]cluster.Guard{w.claim, w.fence}, op.If...)", "append([]cluster.Guard{w.fence, w.fence}, op.If...)"}},
		in:    "state", test: "TestOnlyTheHolderWrites", says: `a write of the holder before`,
	},
	{
		rule: "A copy of a write that was given up on can't undo a later one.", broken: "a write that is repeated leaves the fence as it is",
		edits: []edit{{"state/write.go", "	if w.repeated {\n		ops = append(ops,", "	if w.repeated && w.fence.Rev < 0 {\n		ops = append(ops,"}},
		in:    "state", test: "TestALateCopyOfAWriteFails", says: `the late copy was taken`,
	},
	{
		rule: "What is lost of a request is sent again.", broken: "a write that had no answer is given up",
		edits: []edit{{"state/desk.go", "if group = left; ctx.Err() != nil {", "if group = left; failed != nil || ctx.Err() != nil {"}},
		in:    "state", test: "TestAWriteOutlivesAFrozenStore", says: `book is closed`,
	},
	{
		rule: "What was deleted before it was read is told as a gap.", broken: "it is passed over",
		edits: []edit{{"events/feed.go", "if e.gone <= f.born || e.gone == 0 {", "if e.gone >= f.born || e.gone == 0 {"}},
		in:    "events", test: "TestWhatWasDeletedBeforeItWasReadIsAGap", says: `want a gap from`,
	},
	{
		rule: "A compaction loses nothing: the keys are listed again.", broken: "what was deleted meanwhile stays in the index",
		edits: []edit{{"events/index.go", "			if !there[path] {", "			if path == \"\" {"}},
		in:    "events", test: "TestACompactionLosesNothing", says: `want a gap at`,
	},
	{
		rule: "A compaction loses nothing: the keys are listed again.", broken: "what was published meanwhile is left out",
		edits: []edit{{"events/index.go", "	for _, r := range listed {\n		l.put(r)\n", "	for _, r := range listed {\n		if l.rev == 0 {\n			l.put(r)\n		}\n"}},
		in:    "events", test: "TestACompactionLosesNothing", says: `after \d+ events|timed out`,
	},
	{
		rule: "A key that is overwritten is another event.", broken: "it keeps its id",
		edits: []edit{{"events/event.go", "	if created == rev {", "	if created <= rev {"}},
		in:    "events", test: "TestAnOverwrittenKeyIsAnotherEvent", says: `the second event is`,
	},
	{
		rule: "An event is published once under its id.", broken: "it overwrites the one before",
		edits: []edit{{"events/publish.go", "If: []cluster.Guard{{Path: d.path}}, Path: d.path", "Path: d.path"}},
		in:    "events", test: "TestAnEventIsPublishedOnce", says: `another event|want`,
	},
}
