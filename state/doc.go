// Package state keeps what must survive the holder of a resource, such as a cursor, guarded by the holder's epoch.
//
//	runner ─▶ Page.Write ─┐                       state/<kind>/<id>/…
//	runner ─▶ Page.Write ─┼─▶ Book.Run ─▶ Commit ─▶ each op: if the claim is at this epoch, and nothing was written since
//	runner ─▶ Page.Write ─┘      (one request for what waits at the same time)
//
//	operator ─▶ Request ─▶ asks/<kind>/<id>/… ─▶ Page.Asked, Page.Answer
//
// # What it promises
//
//   - A write is done whole or not at all, and only while the claim is at the writer's epoch: the holder before can't undo what
//     its successor has read. ErrFenced says that the claim is another's.
//   - A request that was given up on can't overtake: each write is also guarded by the revision of a key that it changes, so that
//     of one epoch, too, what was written last stays.
//   - Writes that come while nothing is under way are sent at once. Those that come meanwhile share the next request.
//
// A Book is one node's; a Page is one run's of one resource, and holds the revisions of that resource's keys.
package state
