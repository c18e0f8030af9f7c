// Package events is the log of what was published: topics on etcd.
//
//	drm publish, POST /v1/events/<topic>, etcdctl put
//	      │ Publisher; leases that last as long as an event may stay
//	      ▼
//	topics/<topic>/<id>      one key for each event, written once
//	      │ one listing and one watch for the node, from the first Subscribe on
//	      ▼
//	    Log ──▶ index: of each topic, its events in the order of the log; values as far as they fit
//	             ├──▶ Feed ──▶ who delivers them
//	             └──▶ Feed ──▶ …
//
// # What it promises
//
//   - A Feed gives every event of its topics that lies in the store, once, in the order of positions: of revisions, and of names where
//     one transaction has published several. What is published while the connection is lost or compacted away is not missed: an event
//     stays under its key, and the keys are listed again.
//   - An event that is deleted or overwritten before a Feed gave it is told as a gap. What was deleted while the node followed nothing
//     leaves no trace.
//   - A key that is overwritten is another event, with another ID.
//   - A Publisher answers for an event when the store has committed it, and publishes it once under one ID. What is published together
//     keeps its order.
//   - A Feed for which nothing is published costs some hundred bytes, and no wake-ups.
package events
