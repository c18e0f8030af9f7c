package mutants

// Websockets: how fast a cluster may connect, and what is passed on with a session.
var socketMutants = []mutant{
	{
		rule: "A connect limit is the whole cluster's: the rate is divided.", broken: "each node takes all of it",
		edits: []edit{{"resources/budget.go", "limit.Rate.PerSecond()/nodes, float64", "limit.Rate.PerSecond(), float64"}},
		in:    "resources", test: "TestConnectLimit$", says: `connections in .* are allowed`, short: true,
	},
	{
		rule: "A connect limit is the whole cluster's: the burst is divided.", broken: "each node takes all of it",
		edits: []edit{{"resources/budget.go", "float64(limit.Burst)/nodes", "float64(limit.Burst)"}},
		in:    "resources", test: "TestConnectLimitOfATakeover", says: `connections in .* are allowed`,
	},
	{
		rule: "A process that follows another gives out no burst again.", broken: "a new bucket is full",
		edits: []edit{{"resources/budget.go", "&budget{at: b.began}", "&budget{at: b.began.Add(-time.Hour)}"}},
		in:    "resources", test: "TestConnectLimitOfARestart", says: `connections in .* are allowed`,
	},
	{
		rule: "A session is resumed as of the last message that the sink has.", broken: "it is kept as it is read",
		edits: []edit{{"resources/websocket/memory.go", "if seq <= m.delivered {", "if true {"}},
		in:    "resources/websocket", test: "TestAnotherNodeResumes", says: `asked for .*seq:5`,
	},
	{
		rule: "What was not resumed is told as a gap.", broken: "asking to resume counts as resumed",
		edits: []edit{{"resources/websocket/talk.go", "if s.resumed || s.gap == nil {", "if s.resumed {\n\t\ts.gap = nil\n\t}\n\tif s.gap == nil {"}},
		in:    "resources/websocket", test: "TestSessionsThatEnd", says: `want a gap from`,
	},
	{
		rule: "A message is acknowledged once there is room for it.", broken: "it is handed on after the reply",
		edits: []edit{{
			"resources/websocket/talk.go", "if err := s.pass(m, values); err != nil {\n\t\t\treturn err\n\t\t}",
			"defer func() { _ = s.pass(m, values) }()",
		}},
		in: "resources/websocket", test: "TestNoReplyWithoutRoom", says: `answered 1 and 1 more`,
	},
	{
		rule: "What a server sends stays in the string that it fills.", broken: "it is not escaped",
		edits: []edit{{"resources/websocket/template.go", "return string(raw[1 : len(raw)-1])", "return text + string(raw[:0])"}},
		in:    "resources/websocket", test: "TestTemplates", says: `"admin":true,"y":""`,
	},
	{
		rule: "A message that was passed on once goes no further.", broken: "who has passed it on is not asked",
		edits: []edit{{"api/send.go", `&& by == "":`, ":"}},
		in:    "api", test: "TestSend", says: `as much as it can`,
	},
}
