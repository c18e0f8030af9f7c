// Package integration tests drm as its users run it: real "drm run" processes on real etcd hold real websocket
// connections, and are killed, stopped, cut off and restarted. The witness is the server at the other end of the
// connections, package recorder.
//
// Every test asserts the same promises besides its own: no resource ever has two connections, each new
// connection of a resource carries a higher epoch, everything is held again within a bound, and no process is left behind.
// How long nobody was connected is logged and not asserted: test/bench measures it.
//
// That the witness sees what it should was tried once on a drm broken on purpose: with the hand-off sent before
// the runner has returned, Leaving, Joining, Cordon and RollingRestart fail with overlaps; with a supervisor that
// revokes without waiting for its worker's end, so does PausedWorker.
package integration
