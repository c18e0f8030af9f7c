//go:build linux

package scale

import (
	"fmt"
	"testing"
	"time"
)

// survivors is how many nodes take over what the dead one held.
const survivors = 4

// TestDeathOfALargeNode has one node hold very much and die. What it held runs elsewhere soon after the others have seen
// that, and what they hold themselves doesn't suffer: no lease is lost. Seen to fail (27 % of the bids lost) with nodes that don't wait
// for their turn to bid for what is another's.
func TestDeathOfALargeNode(t *testing.T) {
	s := newStage(t)
	n := max(*resources, *dead)
	s.put("nothing", "{}", n)
	victim := s.strange(1, "nothing", 0, *dead)
	if n > *dead {
		s.strange(2, "nothing", *dead, n)
	}
	c := newCrew(s)
	for i := range survivors {
		c.start(fmt.Sprintf("n%d", i))
	}
	c.running(0, survivors)
	c.fresh()
	c.s.pass(2 * time.Second)
	calm := c.read()
	c.fresh()
	before := s.load()
	began := time.Now()
	victim.dies(s)
	revoked := time.Since(began)
	c.running(*dead, survivors)
	after := c.read()
	used := s.load().since(before)
	t.Logf("%d resources, %d of them of the node that died, %d nodes to take them", n, *dead, survivors)
	t.Logf("its death seen → all run elsewhere: %.2f s; its leases revoked in %.2f s", after.last.Sub(after.gone).Seconds(), revoked.Seconds())
	t.Logf("a round of renewals: p50 %v, p99 %v, longest %v; in calm before: p50 %v, p99 %v, longest %v",
		percentile(after.renewals, 0.5), percentile(after.renewals, 0.99), percentile(after.renewals, 1),
		percentile(calm.renewals, 0.5), percentile(calm.renewals, 0.99), percentile(calm.renewals, 1))
	t.Logf("bids lost: %d of %d; processor time: %s", after.lost, after.lost+after.won, used)
	if after.leases > 0 || after.terms > 0 {
		t.Errorf("the others lost %d leases and %d terms", after.leases, after.terms)
	}
	if after.lost*20 > after.won {
		t.Errorf("%d bids were lost of %d", after.lost, after.lost+after.won)
	}
}
