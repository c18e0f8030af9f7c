package mutants

// Following channels and streams of a redis server: whom trouble reaches, and what is told of what was missed.
var redisMutants = []mutant{
	{
		rule: "A redis channel that may not be read troubles its resource alone.", broken: "an error answer ends the connection",
		edits: []edit{{"resources/redis/line.go", "err = u.refused(l, err, now)", "_ = u.refused"}},
		in:    "resources/redis", test: "TestOneChannelIsForbidden", says: `connections were made, want 1`,
	},
	{
		rule: "A slow sink holds up nobody else on a shared connection.", broken: "the connection waits for room",
		edits: []edit{{"resources/redis/buffer.go", "case b.spec.OnFull == fullBlock:", "case true:"}},
		in:    "resources/redis", test: "TestSlowSinkDrops", says: `test timed out|has not come to that`,
	},
	{
		rule: "A channel stays subscribed to while anybody follows it.", broken: "whoever goes first unsubscribes",
		edits: []edit{{"resources/redis/hub.go", "; len(left) > 0 {", "; len(left) > 99 {"}},
		in:    "resources/redis", test: "TestSharedChannel", says: `no event`,
	},
	{
		rule: "Who subscribes is live by its own confirmation.", broken: "that of the one before counts",
		edits: []edit{{"resources/redis/push.go", "if l.ending[c.topic] == 0 && len(subs) > 0 {", "if len(subs) > 0 {"}},
		in:    "resources/redis", test: "TestConfirmationOutOfDate", says: `after answer 1 it is live: true`, short: true,
	},
	{
		rule: "A gap has no beginning that nobody knows.", broken: "trouble of the run before is not looked at",
		edits: []edit{{"resources/gap.go", "if c.Past != nil &&", "if c.Past != nil && c.Past.State == \"\" &&"}},
		in:    "resources/redis", test: "TestGapOverAMove", says: `which nobody knows`,
	},
	{
		rule: "A silent server is noticed.", broken: "reading waits for ever",
		edits: []edit{{"resources/redis/line.go", "patience := time.Duration(u.ping.Interval + u.ping.Timeout)", "patience := 0 * time.Duration(u.ping.Interval+u.ping.Timeout)"}},
		in:    "resources/redis", test: "TestSilence", says: `never silent`,
	},
	{
		rule: "A stream is read on from where the sink has it.", broken: "the cursor is not written at the end",
		edits: []edit{{"resources/redis/tail.go", "if h.claim.Held.Err() == nil {", "if h.claim.Held.Err() != nil {"}},
		in:    "resources/redis", test: "TestStreamAfterAnEnd", says: `want entry`,
	},
	{
		rule: "A stream is read on from where the sink has it: also by whom nothing has come to.", broken: "where it begins is not kept",
		edits: []edit{{"resources/redis/tail.go", "	c.move(at)\n	return c.persist(writing, true)", "	c.move(at)\n	c.dirty = false\n	return nil"}},
		in:    "resources/redis", test: "TestStreamIsReadOn", says: `no event`,
	},
	{
		rule: "Trimmed entries of a stream are told.", broken: "a stream that is trimmed counts as whole",
		edits: []edit{{"resources/redis/cursor.go", "case s.first.compare(c.at) > 0 &&", "case s.first.compare(c.at) > 99 &&"}},
		in:    "resources/redis", test: "TestMissing", says: `want "may have been trimmed"`, short: true,
	},
	{
		rule: "What a redis server announces is judged before it is allocated.", broken: "arrays may have any number of elements",
		edits: []edit{{"resources/redisconn/wire.go", " || n > int64(maxElements-w.elements)", ""}},
		in:    "resources/redisconn", test: "TestWireRefuses", says: `want elements`,
	},
	{
		rule: "A password is in no error.", broken: "the server's complaint is told in full",
		edits: []edit{{"resources/redisconn/dial.go", "&ReplyError{Code: code, login: true", "&ReplyError{Code: code, Text: err.Error(), login: true"}},
		in:    "resources/redisconn", test: "TestPasswordIsNotRepeated", says: `beginning with: 'hush'`,
	},
}
