// Package clustertest lets a cluster of drm nodes run without etcd and without waiting: an in-memory
// cluster.Store whose time is the test's own, whose connections can be made as bad as wanted, and the suite of tests
// that any cluster.Store has to pass.
//
//	            ┌ Client("a") ─ Network ─┐
//	node a ─────┤                        ├──── Memory: revisions, leases, history
//	            └ Clock (rate, jumps)    │        one linearizable store; operators
//	node b ────── Client("b") ─ Network ─┘        reach it directly: Put, Delete, …
//
// A Memory behaves as etcd does where drm can tell: one revision per request that writes anything, guards evaluated
// before any write, leases that take all their keys with them in one revision, never before their TTL is over
// but some time later, and never in a given order; renewals of an expired lease that wait for its end; leases that
// all start anew when the leader changes; compaction that makes those who lag list again; a
// restored snapshot that comes back with all its leases.
//
// Every fault is a value in Network (one connection) or Settings (the store), may be changed at any time, and is
// drawn from a seeded generator: requests and answers that are slow, lost or cut off in either direction,
// requests that commit after their caller has given up, requests that arrive twice, watches that lag or stall.
// Rough draws a whole Network at random, for simulations.
//
// # Time
//
// All time is package time's, nothing runs in the background, and nothing but a channel or a timer is
// waited for. So inside a testing/synctest bubble minutes of a cluster's life take milliseconds. What falls due in the
// store (an expiry, a request that was under way) is done by whoever looks next, in the order and
// as of the time at which it fell due, which nobody can tell from its having happened by itself.
//
// A seed fixes what each connection draws, not the order in which Go runs goroutines: the same seed gives
// similar runs, not equal ones. Assert what must always hold, not what happened.
//
// # What is not simulated
//
// The members of an etcd cluster and what differs between them: a Memory is its leader, always right. Stale
// reads, permissions, tokens and TLS. A node that is paused: its goroutines run on, only its Clock can be made to jump.
// What etcd costs: a request takes as long as its Network says, however large it is.
package clustertest
