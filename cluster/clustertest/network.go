package clustertest

import (
	"math/rand/v2"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Span is a range of durations, of which one is drawn.
type Span struct{ Min, Max time.Duration }

func (s Span) draw(r *rand.Rand) time.Duration {
	if s.Max <= s.Min {
		return s.Min
	}
	return s.Min + time.Duration(r.Int64N(int64(s.Max-s.Min)+1))
}

// Network is how one client's connection treats what goes over it. The zero value is perfect: nothing is lost and
// nothing takes time. Shares are from 0 to 1. A call whose request or answer is lost blocks until
// its context ends, as with etcd.
type Network struct {
	Request Span // how long a request takes to the store
	Answer  Span // how long an answer takes back, and a page of a listing
	Watch   Span // how long after a change the client is told; the order is kept

	CutRequests bool // requests are lost from now on; those under way still arrive
	CutAnswers  bool // answers are lost, those under way too; what is watched waits
	StallWatch  bool // what is watched waits, while all else goes on

	LoseRequests float64 // share of requests lost
	LoseAnswers  float64 // share of answers lost: what they answer was done
	Duplicate    float64 // share of requests that arrive twice; the first arrival is the one answered

	SlowRequests float64 // share of requests that take Slow more, so that they are done after the caller gave up
	SlowAnswers  float64 // share of answers that take Slow more, though what they answer was done long before
	Slow         Span

	Relist Span // between listings in the background; 0: none
}

// Rough draws a connection that may have every fault but a cut, each mild in some draws and harsh in others. Delays reach
// some seconds, more than a short lease lives. Draw a new one now and then, and Cut in between.
func Rough(r *rand.Rand) Network {
	share := func(most float64) float64 { return r.Float64() * r.Float64() * most }
	upTo := func(most time.Duration) Span { return Span{Max: time.Duration(share(float64(most)))} }
	return Network{
		Request:      upTo(100 * time.Millisecond),
		Answer:       upTo(100 * time.Millisecond),
		Watch:        upTo(1500 * time.Millisecond),
		StallWatch:   r.IntN(20) == 0,
		LoseRequests: share(0.2),
		LoseAnswers:  share(0.2),
		Duplicate:    share(0.2),
		SlowRequests: share(0.2),
		SlowAnswers:  share(0.2),
		Slow:         Span{Min: 500 * time.Millisecond, Max: 12 * time.Second},
		Relist:       Span{Min: 5 * time.Second, Max: 60 * time.Second},
	}
}

// clock shows an instant that went on at a rate since another.
type clock struct {
	real, shown cluster.Instant
	rate        float64
}

func (c clock) at(now cluster.Instant) cluster.Instant {
	return c.shown.Add(time.Duration(float64(now.Sub(c.real)) * c.rate))
}
