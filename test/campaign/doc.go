// Package campaign puts drm through every fault that can be made on one machine, in a random order that a seed decides, and
// judges from outside what becomes of its promises.
//
// Three etcd members and five nodes are real processes; each node has a network of its own, a wall clock of its own, and a
// supervisor of its own, and is started again when it has ended, as systemd would. The schedule is dealt like a deck of cards:
// every fault once, shuffled, in hands of several at a time, of which one at most hits etcd and two at most hit nodes. Claims
// are not taken from living holders in a hand by which nodes start: that is not promised to be safe. When the deck is used up, it is
// shuffled again.
//
//	for each hand:  inject all ──▶ calm while they last? ──▶ heal all ──▶ calm again? ──▶ leaks?
//
// Calm is: every resource has one connection, under the epoch of its claim, from a node that isn't frozen or cut off, and no other
// resource has one. Nothing is asked of the nodes themselves: the witnesses are the server at the other end of the connections
// (package recorder), the kernels at both ends, and etcd.
//
// What must hold, and what notices:
//
//   - at most one live runner, always: no second connection comes in while the first is open at the node's own end. Only a node
//     that is frozen with its supervisor is excused, and only while it sends nothing and hangs up on waking;
//   - epochs only grow: the server sees none twice, and none below one that it has seen;
//   - all is held again in time: each fault has its bound;
//   - no process grows: goroutines and file descriptors of those that survived are as they were;
//   - what was done to claims is linearizable (porcupine), every change that a node was told of is in etcd, and every change in
//     etcd is accounted for by a node.
//
// By hand:
//
//	go test ./test/campaign -v -timeout 0 -args -campaign 30m               for half an hour, with a seed that it prints
//	go test ./test/campaign -v -timeout 0 -args -campaign 30m -campaign.seed 7   the same schedule again
//	go test ./test/campaign -v -timeout 0 -args -campaign.broken            builds with one fault each: the checks must notice
//
// Networks, slow disks and builds of their own take root, ip, nft, nsenter and cgroups; what is missing is left out, loudly.
package campaign
