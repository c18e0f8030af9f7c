// Package lease keeps a cluster in etcd: it is [cluster.Store], and knows no more of the protocol than that.
//
// # What it promises
//
//   - One endpoint that is frozen, cut off or gone costs a renewal milliseconds and any request at most its
//     time-out; two of three are etcd's own limit.
//   - An acknowledged renewal is anchored before it was sent: SentAt is read before the request that the
//     answer answers. Answers are matched by stream and lease; an abandoned stream is never heard again.
//   - Follow tells every change once, in revision order, all of one revision together, over lost
//     connections, expired tokens and compaction. Fresh is read before the revision that it vouches for.
//   - ErrLeaseNotFound and ErrRefused mean that nothing was written. Anything else means that nobody knows.
//   - A store that was restored or replaced is noticed at the next linearizable answer, and everything fails
//     with ErrRestored until Follow is called again.
//
// # How
//
//	            member 1        member 2        member 3      one per endpoint
//	keepalives  ───stream───    ───stream───    ·             Renew: the next one is asked when
//	watches     ·               ───stream───    ·             the first is late (150 ms, TTL/10)
//	requests    Commit, Grant, Revoke, pages, the revision
//
// Each member has three connections and one login. The API is spoken directly: the etcd client's balancer
// goes on asking a frozen member, its KeepAlive anchors trust at the answer, and its watch buffers without
// bound. "Best" is the member that answered last, at first one drawn by lot; every request starts there. What may be done twice (reads,
// Grant with our own id, Revoke) moves on when a member is late. A Commit is sent once: it moves on only from a
// member that is not connected or says that it knows no leader, which proves that it took nothing.
//
//	keepalive.go  stream.go   a round of renewals; one stream and its bookkeeping
//	follow.go  list.go  watch.go  relist.go
//	                          start over; what there is, streamed or in pages; events and freshness; the listing in the background
//	commit.go                 nested transactions
//	store.go  ask.go  member.go  tls.go  pin.go  errors.go
//	                          what they stand on
//	check.go  config.go  life.go
//	                          for operators; proof of death
//
// # Freshness
//
// Every FreshEvery: t = Boottime(); r = revision of a linearizable read. Whatever was committed before t is at or
// below r. When Follow has told everything up to r it sends Fresh t. etcd tells how far a watch has come only when
// asked, and not below the revision that the watch began at; so progress is asked for, on a stream that no other
// watch shares, and only while it is owed.
//
// # Not supported
//
// etcd's grpc-proxy (it answers renewals with those it sent earlier), its gateway in front of several members
// (a frozen one could not be told from the others), DNS discovery, and servers before 3.5.
package lease
