package mutants

// Trust: until when a node may act on a lease.
var trustMutants = []mutant{
	{
		rule: "Trust is counted from before the request was sent.", broken: "a renewal counts from its answer",
		edits: []edit{{"trust.go", "until := int64(a.SentAt.Add(t.window))", "until := int64(now.Add(t.window))"}},
		test:  "TestTrustCountsFromTheRequest", says: `with only .* left on lease`, short: true,
	},
	{
		rule: "Trust is counted from before the request was sent.", broken: "a grant counts from its answer",
		edits: []edit{{"term.go", "	return t.trust(id, sentAt, t.timing)", "	return t.trust(id, max(sentAt, t.cfg.Clock()), t.timing)"}},
		test:  "TestTrustCountsFromTheRequest", says: `with only .* left on lease`,
	},
	{
		rule: "A lease granted when its trust is over is of no use.", broken: "it is taken all the same",
		edits: []edit{{"term.go", "if !l.trusted(now, timing.stop) {", "if false {"}},
		test:  "TestALeaseGrantedTooLateIsOfNoUse", says: `a deadline that passed`,
	},
	{
		rule: "A claim's trust is that of its own lease.", broken: "the node lease's trust holds for all claims",
		edits: []edit{{"term.go", "if !l.lost.Load() && !l.trusted(now, t.timing.stop) {", "if l == t.all()[0] && !l.lost.Load() && !l.trusted(now, t.timing.stop) {"}},
		test:  "TestALeaseLostAloneEndsWhatIsOnIt", says: `had to exit`,
	},
	{
		rule: "Lost is for good: no ack revives it.", broken: "an answer that comes late renews a lost lease",
		edits: []edit{{"trust.go", "		l.lose(ErrTrustEnded)\n	default:", "		fallthrough\n	default:"}},
		test:  "TestTrustIsLostForGood", says: `an answer revived the lease`,
	},
	{
		rule: "The margin covers two elections and a second.", broken: "the margin is halved",
		edits: []edit{{"timing.go", "window:   counted - margin,", "window:   counted - margin/2,"}},
		test:  "TestSimulation", says: `with only .* left on lease`,
	},
	{
		rule: "Runners are cancelled one stop budget before the deadline.", broken: "they are cancelled at the deadline",
		edits: []edit{{"trust.go", "return !l.lost.Load() && now < l.deadline().Add(-stop)", "return !l.lost.Load() && now < l.deadline()"}},
		test:  "TestSimulation", says: `had to exit`,
	},
	{
		rule: "Trust ends by the clock alone, whatever else hangs.", broken: "the watchdog ends no trust",
		edits: []edit{{"term.go", "				l.lose(ErrTrustEnded)\n", ""}},
		test:  "TestSimulation", says: `had to exit`, short: true,
	},
	{
		rule: "At the deadline the worker exits if any runner has not returned.", broken: "it does not exit",
		edits: []edit{{"term.go", "if n := l.live.Load(); n > 0 && now >= l.deadline() {", "if n := l.live.Load(); n > 0 && now < 0 {"}},
		test:  "TestAHangingRunnerEndsTheProcess", says: `the process has not ended`,
	},
	{
		// The loop folds what proves the view fresh, so one that hangs is caught by either check; both are left out here.
		rule: "Renew only while useful: a round of renewals needs a recent tick of the loop.", broken: "a hanging loop renews",
		edits: []edit{{"term.go", "if err := t.stuck(t.cfg.Clock()); err != nil {", "if err := t.stuck(0); err != nil {"}},
		test:  "TestAHangingLoopLetsGo", says: `the node that hangs still holds`,
	},
	{
		rule: "Renew only while useful: a round of renewals needs a view proven fresh.", broken: "a node that sees nothing renews",
		edits: []edit{{"term.go", "age := now.Sub(Instant(t.fresh.Load())); age > t.timing.useful", "age := now.Sub(Instant(t.fresh.Load())); age < 0"}},
		test:  "TestASilentWatchLetsGo", says: `though it was removed|still holds`,
	},
	{
		rule: "Claim leases get TTL + 1 s, so a node's key goes before its claims.", broken: "all leases get the same TTL",
		edits: []edit{{"timing.go", "claimTTL: ttl + time.Second,", "claimTTL: ttl,"}},
		test:  "TestANodesKeyGoesBeforeItsClaims", says: `are not as they should be`,
	},
	{
		rule: "The node lease is revoked first, so a node's key goes before its claims.", broken: "it is revoked last",
		edits: []edit{
			{"term.go", "	if err := store.Revoke(ctx, ids[0]); err != nil {\n		return fmt.Errorf(\"revoke node lease %s: %w\", ids[0], err)\n	}\n	errs", "	errs"},
			{"term.go", "	group.Wait()\n	return errors.Join(errs...)", "	group.Wait()\n	errs[0] = store.Revoke(ctx, ids[0])\n	return errors.Join(errs...)"},
		},
		test: "TestALostTermRevokesItsNodeLeaseFirst", says: `are not as they should be`,
	},
	{
		rule: "The margin is two election timeouts and the stop budget.", broken: "only a TTL that is raised tells of long ones",
		edits: []edit{{"term.go", "if election > timing.election {", "if false {"}},
		test:  "TestALongElectionTimeoutIsNoticed", says: `the margin is`,
	},
}
