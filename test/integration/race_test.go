//go:build linux && race

package integration

// buildFlags are those for drm: when the tests run under the race detector, so do the nodes.
var buildFlags = []string{"-race"}
