// Package measure is what the benchmark (test/bench) and "drm bench" share: nodes inside this process on a real etcd, whose
// runners only wait, and a ledger that the runners themselves keep of who ran what, and when.
//
//	Scratch ──keys on leases──▶ etcd ◀── Cluster (nodes: cluster.Loop on lease.Store)
//	   │                                    │ runners
//	   └─ Puts: etcd's own client           └─▶ Ledger: claims a second, takeovers, gaps, moves
//
// What is measured is drm itself: no connection is dialled, and nothing is done with what is held. All nodes share this
// process and its clock, so that a figure here is about claims, plans and etcd, not about machines.
//
// Every key that is put is on a lease, as claims are: whatever ends this process, etcd is left as it was.
package measure
