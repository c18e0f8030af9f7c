//go:build !race

package scale

const slowness = 1
