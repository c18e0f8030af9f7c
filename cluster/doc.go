// Package cluster keeps every resource held by exactly one live node, without a leader.
//
// A resource is anything that must run somewhere and only once. Users put it into a store; nodes claim it with keys
// on their leases, watch for deletions, and take over by compare-and-swap what falls free. This package is the
// whole of that, above a small port to the store: it holds the words, the plan and the one loop, and knows neither etcd,
// nor HTTP, nor Prometheus. The arrow points this way on purpose: package lease depends on cluster, so that what
// the project is about can be read, tested and simulated by itself.
//
//	           batches                     settle
//	Store ───────────────▶ view ─▶ plan ─▶ hold ─▶ run ─▶ Runner
//	  ▲      (one watch)                    │        │
//	  └──── guarded writes (request) ◀──────┘        └──▶ Event ─▶ log, metrics
//
// # One event, followed to the end
//
//   - fold.go takes what the store tells into the view, in revision order.
//   - plan.go says who is to have what nobody holds; bid.go, when this node asks for it; balance.go, what it gives away.
//   - claim.go and move.go turn that into guarded writes, which request.go sends in batches.
//   - hold.go brings one claim and what is done about it together, one step at a time.
//   - run.go has one goroutine for each resource held.
//   - term.go and trust.go keep the leases and say until when this node may act on them.
//
// No step calls an earlier one; answers to writes come back as records, as if the watch had brought them.
//
// # Words
//
// Resource, kind, node, term, claim, epoch, view, plan, runner and hand-off mean what docs/words.md says; beside them
// a hold is a claim of this node's term and what is done about it, a bid is an attempt to claim, a peer is a node as
// the view has it, and a run is one life of a runner.
//
// # What is promised, and what it rests on
//
//   - At most one runner of a resource runs on live processes. A runner starts only when the newest record known of
//     the claim is a put, on a lease of this term that is trusted, under an epoch that is not spent (hold.go, begin).
//   - Trust is anchored at the request, per lease, and lost for good (trust.go). One stop budget before it ends every
//     runner on the lease is cancelled; at its end a process with a runner left is ended (term.go, watch).
//   - Stop first: a claim is handed off or released only after its runner has returned (hold.go, settle), and leases are
//     revoked only when no runner is left on them (loop.go, close; request.go, sweep).
//   - Epochs only grow and are used once: an epoch whose runner has ended, or for which a hand-off or release was
//     sent, never runs again (hold.spent). To go on, the claim is rewritten, which also makes the late request fail.
//   - Safety never depends on the plan: whatever it says, the compare-and-swap and the rules above hold.
//
// # What happens when …
//
//   - a request times out: its outcome is unknown. What the watch shows later is adopted, run or given back.
//   - the store can't be reached: trust runs out, runners stop, the term ends; the node lists anew when it can.
//   - the loop hangs: renewals stop, since they need its tick, and the watchdog ends trust without it.
//   - a runner doesn't stop: the process ends (Config.Exit), and its supervisor revokes the leases.
package cluster
