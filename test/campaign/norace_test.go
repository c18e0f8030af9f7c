//go:build linux && !race

package campaign

var buildFlags []string
