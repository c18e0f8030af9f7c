//go:build race

package webhook

// laneSeeds is how many worlds of each sort are gone through, where everything takes ten times as long.
const laneSeeds = 12
