//go:build !race

package webhook

// laneSeeds is how many worlds of each sort are gone through.
const laneSeeds = 60
