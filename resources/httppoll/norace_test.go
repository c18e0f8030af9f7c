//go:build !race

package httppoll

// manyItems is how many items a long list has.
const manyItems = 1_000_000
