//go:build race

package scale

// slowness is by how much the race detector slows the nodes down, which all run in the test's process: with as many resources as
// else, nodes would rightly let go of what they can't keep up with.
const slowness = 10
