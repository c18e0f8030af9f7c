//go:build linux

package campaign

import (
	"fmt"
	"testing"
)

// The same seed deals the same, every fault comes once before any comes twice, and no hand is more than a cluster can bear.
func TestDeck(t *testing.T) {
	for seed := range uint64(20) {
		a, b := newDeck(seed, faults()), newDeck(seed, faults())
		for range 3 {
			dealt := map[string]int{}
			for more := true; more; more = len(a.cards) > 0 {
				hand := a.deal()
				if again := fmt.Sprint(b.deal()); again != fmt.Sprint(hand) {
					t.Fatalf("seed %d deals %v and %v", seed, hand, again)
				}
				nodes, etcd, starts, rests := map[int]bool{}, 0, false, false
				for _, card := range hand {
					dealt[card.name]++
					starts, rests = starts || card.starts, rests || card.rests
					switch card.hits {
					case hitsNode:
						nodes[card.node] = true
					case hitsEtcd:
						etcd++
					}
				}
				if etcd > 1 || len(nodes) > mostNodes || nodes[0] || starts && rests {
					t.Fatalf("seed %d deals %v", seed, hand)
				}
			}
			for _, f := range faults() {
				if dealt[f.name] != 1 {
					t.Errorf("seed %d deals %q %d times in one deck", seed, f.name, dealt[f.name])
				}
			}
		}
	}
}
