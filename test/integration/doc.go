// Package integration tests drm as its users run it: real "drm run" processes on real etcd hold real websocket
// connections, and are killed, stopped, cut off and restarted. The witness is the server at the other end of the
// connections, package recorder.
//
// Every test asserts the same promises besides its own: no resource ever has two connections, each new
// connection of a resource carries a higher epoch, everything is held again within a bound, and no process is left behind.
// How long nobody was connected is logged and not asserted: test/bench measures it.
//
// That the witness sees what it should was tried on a drm broken on purpose. With the claim handed off while the runner still
// runs, and connections that take 30 ms to close, TestLeave, TestRollingRestart, TestCordon and TestJoin fail with 15 to
// 199 overlaps; with the same slow connections and the rule kept they pass. (With connections that close at once, the
// broken order does no harm that anybody could see: the simulation in package cluster catches it.) With a supervisor that
// gives the leases of a stopped worker back without ending it, TestPausedWorker fails with an overlap for each resource.
package integration
