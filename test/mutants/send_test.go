package mutants

// Sending: what may leave a node on behalf of a resource, and what may be said of it.
var sendMutants = []mutant{
	{
		rule: "A request leaves once at the most: it can't be rewound.", broken: "net/http is told how to send a request again",
		edits: []edit{{
			"resources/post/send.go", "req.Body, req.ContentLength = &body{ctx: ctx, rest: bytes.NewReader(r.body)}, int64(len(r.body))",
			"again := func() (io.ReadCloser, error) { return &body{ctx: ctx, rest: bytes.NewReader(r.body)}, nil }\n" +
				"		req.Body, _ = again()\n		req.GetBody, req.ContentLength = again, int64(len(r.body))",
		}},
		in: "resources/webhook", test: "TestKeptConnectionDies", says: `requests on \d connections for 2 attempts`, short: true,
	},
	{
		rule: "A request leaves once at the most: an empty body is a body.", broken: "net/http is given none",
		edits: []edit{{"resources/post/send.go", "if r.method == http.MethodPost {", "if len(r.body) > 0 {"}},
		in:    "resources/webhook", test: "TestKeptConnectionDies", says: `requests on \d connections for 2 attempts`,
	},
	{
		rule: "What may have been sent is in doubt.", broken: "a connection counts for nothing",
		edits: []edit{{"resources/post/send.go", "GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }", "GotConn: func(httptrace.GotConnInfo) { sent.Load() }"}},
		in:    "resources/webhook", test: "TestNoAnswer", says: `verdict 0, .* want 3`,
	},
	{
		rule: "What was certainly not sent is in no doubt.", broken: "every failure counts as sent",
		edits: []edit{{"resources/post/send.go", "p.failed(r.url, err, sent.Load())", "p.failed(r.url, err, true)"}},
		in:    "resources/webhook", test: "TestNoConnection", says: `verdict 3, .* want 0`,
	},
	{
		rule: "Redirects are not followed.", broken: "requests go through an http.Client",
		edits: []edit{{"resources/post/send.go", "p.transport.RoundTrip(req)", "(&http.Client{Transport: p.transport}).Do(req)"}},
		in:    "resources/webhook", test: "TestRedirects", says: `verdict 1, .* want 2`,
	},
	{
		rule: "Nothing is sent once trust is over by the clock.", broken: "the body does not ask the clock",
		edits: []edit{{"resources/post/send.go", "if err := resources.Cause(b.ctx); err != nil {", "if err := error(nil); err != nil {"}},
		in:    "resources/webhook", test: "TestTrustEndsByTheClock", says: `the body .* arrived`,
	},
	{
		rule: "A time limit takes nothing from trust.", broken: "a limited context asks its own clock alone",
		edits: []edit{{"resources/context.go", "cmp.Or(t.parent.Err(), t.Context.Err())", "t.Context.Err()"}},
		in:    "resources/webhook", test: "TestTrustEndsByTheClock", says: `the body .* arrived`,
	},
	{
		rule: "The guard judges each address at each dial.", broken: "the dialer does not ask it",
		edits: []edit{{"resources/guard.go", "return g.control(network, address, &n) }", "return nil }"}},
		in:    "resources/webhook", test: "TestGuard", says: `verdict \d, .* want 0, excluded`,
	},
	{
		rule: "A signature is of this attempt: it covers the time.", broken: "the timestamp is left out of what is signed",
		edits: []edit{{"resources/post/sign.go", `[]byte(id+"."+timestamp+".")`, `[]byte(id+".")`}},
		in:    "resources/post", test: "TestSignatures|TestReferenceVerifies", says: `no matching signature|headers map`,
	},
	{
		rule: "An expression always ends.", broken: "loops cost nothing",
		edits: []edit{{"resources/expression.go", "body.Node = &ast.MemberNode{Node: &ast.ArrayNode{Nodes: []ast.Node{body.Node}}, Property: &ast.IntegerNode{}}", "_ = body"}},
		in:    "resources", test: "TestExpressionsEnd", says: `test timed out`,
	},
}
