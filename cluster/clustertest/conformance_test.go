package clustertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// openMemory opens a Memory all of whose clients have the same connection.
func openMemory(n Network) func(t *testing.T) Cluster {
	return func(*testing.T) Cluster {
		m := NewMemory(1)
		m.Adjust(func(s *Settings) { s.MinTTL, s.Page = time.Second, 7 })
		return Cluster{
			Store: func(name string) cluster.Store {
				c := m.Client(name)
				c.Adjust(func(is *Network) { *is = n })
				return c
			},
			Clock: m.Now,
			TTL:   time.Second,
		}
	}
}

// What was broken to see the subtests fail, one at a time: expiry at 0.4 of the TTL; the keys of a lease deleted one
// revision each; a lease that is gone acked alive; a renewal that doesn't count; SentAt just before the call, and just
// after the ack; TTLs not rounded; guards ignored, and evaluated op by op; keys not taken off their old lease by a put; unknown
// leases taken, and checked where guards fail; absent reads without a revision; MaxCommit, MaxParts and double
// writes not checked; an ended context not looked at; keys told from outside the range; a change skipped, and told twice; a
// revision told in two halves; Fresh of the time of delivery; Fresh every ten seconds.
func TestMemoryConforms(t *testing.T) {
	for name, network := range map[string]Network{
		"perfect": {},
		"bad": {
			Request:     Span{Max: 20 * time.Millisecond},
			Answer:      Span{Max: 20 * time.Millisecond},
			Watch:       Span{Max: 800 * time.Millisecond},
			SlowAnswers: 0.02,
			Slow:        Span{Max: 3 * time.Second},
			Relist:      Span{Max: 200 * time.Millisecond},
		},
	} {
		for _, c := range conformance {
			t.Run(name+"/"+c.sentence, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.test(t, openMemory(network)(t)) })
			})
		}
	}
}

func TestMemoryConformsInRealTime(t *testing.T) { TestStore(t, openMemory(Network{})) }
