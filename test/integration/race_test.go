//go:build linux && race

package integration

// buildFlags are those for drm: when the tests run under the race detector, so do the nodes.
var buildFlags = []string{"-race"}

// environment is that of the nodes. A process under the race detector waits for a second when it exits, to hear of races
// from its last threads; supervisor and worker, one after the other, would look like a node that ends slowly.
var environment = map[string]string{"GORACE": "atexit_sleep_ms=0"}
