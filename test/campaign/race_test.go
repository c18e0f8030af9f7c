//go:build linux && race

package campaign

// buildFlags are those for drm: when the tests run under the race detector, so do the nodes.
var buildFlags = []string{"-race"}
