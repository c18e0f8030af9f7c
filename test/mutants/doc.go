// Package mutants breaks the rules of the protocol, one at a time, and requires that a test notices.
//
// A promise is only as good as the test that would fail without it. Each mutant names a rule, the few characters of
// package cluster that keep it, what they become, and the test that must fail then, saying what. The mutant is
// compiled by "go test -overlay": the tree is never touched. A mutant whose text is not found exactly once is an error, so
// that the table follows the code.
//
//	go test ./test/mutants                  a handful, and the table against docs/faults.md
//	go test ./test/mutants -mutants.all     every one: some minutes on two cores
//	go test ./test/mutants -mutants.write   docs/faults.md anew
package mutants
