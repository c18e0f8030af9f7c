//go:build linux

// Package recorder is a websocket server that stands for another company's cloud and remembers who was connected
// to what, and when. It is the witness of the integration tests and of the benchmark: whatever nodes
// believe of themselves, what counts is what the other side sees.
//
// A connection counts as open for as long as it is open in the kernel. A process that is killed has its
// connections closed by the kernel before anybody can learn of its death; one that is stopped keeps them. So when a second
// connection for a resource comes in, the state of the first one's socket is asked for: our own
// goroutine that reads it may not have had its turn, and would make a clean hand-off look like an overlap.
//
// The recorder also is what a well-made third party is: it refuses a dial whose epoch is below the highest it
// has seen for the resource.
package recorder
