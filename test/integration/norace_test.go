//go:build linux && !race

package integration

var buildFlags []string
