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

// What was broken to see the subtests fail: each promise in turn. Expiry half a second early or key by key; a TTL of 0
// never acked; SentAt taken at the answer; guards evaluated op by op; attached keys not detached by a put; the lease
// checked for ops whose guards fail; absent reads without revision; MaxCommit and double writes not
// checked; revisions of one batch split; a change skipped or told twice; Fresh taken at the delivery (the bad
// connection shows it) or not sent when idle.
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
