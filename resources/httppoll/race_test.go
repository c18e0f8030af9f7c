//go:build race

package httppoll

// manyItems is how many items a long list has, where everything takes ten times as long.
const manyItems = 6_000
