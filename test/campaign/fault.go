//go:build linux

package campaign

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// target is what a fault hits, since a cluster bears only so much at a time.
type target int

const (
	hitsKeys target = iota // what is in etcd
	hitsNode
	hitsEtcd
)

// fault is one way in which things go wrong.
type fault struct {
	name string
	does string
	hits target
	// bound is how long after it was made all must be held again, by nodes that are well; it is made of the TTL and of slack for a busy
	// machine. Where writes are impossible meanwhile it counts from the end of the fault.
	bound time.Duration
	least time.Duration // it lasts as long as this, and until all is held
	fatal bool          // while it lasts nothing can be held
	needs need
	// starts: nodes start by it, or begin a new term. rests: claims vanish under living holders, which is safe only if no node starts
	// within the next TTL; see what README.md says is not promised.
	starts, rests bool
	// make makes it and returns what ends it, nil if it is over by itself.
	make func(c *campaign, card card, chance *rand.Rand) (heal func() error, err error)
}

// need is what the machine must allow for a fault.
type need int

const (
	needsNothing need = iota
	needsNetwork
	needsDisks
)

const (
	ttl       = 6 * time.Second
	claimTTL  = ttl + time.Second
	election  = time.Second
	slack     = 6 * time.Second // for a machine that is busy with other things as well
	atOnce    = slack
	expired   = claimTTL + 2*election + slack // a lease is left to expire, perhaps just after an election, which lets it count anew
	blind     = ttl/2 + expired               // renewals that nobody reads go on for half a TTL
	rested    = ttl*5/4 + slack               // a claim deleted under a living holder
	rejoining = expired + slack               // every node begins a new term
)

// faults are all that there are.
func faults() []fault {
	all := append(nodeFaults(), etcdFaults()...)
	return append(all, keyFaults()...)
}

// pageBegin is where the part of docs/faults.md begins that is about the campaign.
const pageBegin = "\n# What is survived\n"

// page returns that part.
func page() string {
	var text strings.Builder
	text.WriteString(pageBegin + `
"go test ./test/campaign" makes each of these faults once, several at a time, on real processes: three etcd members and five nodes. It judges from outside that
no resource was ever held twice, that epochs only grew, and that all was held again in time, by nodes that were well. With ` + "`-args -campaign 30m`" + ` it goes on
for as long as it is told, in an order that a seed decides. The bounds are for a TTL of ` + ttl.String() + `, and have ` + slack.String() + ` of slack for a busy machine.

| fault | what is done | all held again within |
| --- | --- | --- |
`)
	for _, f := range faults() {
		from := ""
		if f.fatal {
			from = " of its end"
		}
		fmt.Fprintf(&text, "| %s | %s | %v%s |\n", f.name, f.does, f.bound, from)
	}
	text.WriteString(`
Its checks have been seen to fail. "go test ./test/campaign -args -campaign.broken" builds drm with one rule broken at a time, makes a few faults, and
requires that the check named notices.

| check | broken | faults made |
| --- | --- | --- |
`)
	for _, b := range brokenBuilds() {
		fmt.Fprintf(&text, "| %s | %s | %s |\n", b.check, b.broken, strings.Join(b.faults, ", "))
	}
	return text.String()
}
