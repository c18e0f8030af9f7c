//go:build linux && !race

package integration

var (
	buildFlags  []string
	environment map[string]string
)
