package measure

import (
	"slices"
	"sync"
	"time"
)

// Latencies gathers how long something took, each time. It may be used concurrently; its zero value is ready.
type Latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

// Add notes one.
func (l *Latencies) Add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, took)
}

// Spread sums up what was added so far.
func (l *Latencies) Spread() Spread {
	l.mu.Lock()
	defer l.mu.Unlock()
	return SpreadOf(l.all)
}

// Spread is how long something took: as a rule, at worst but for one in a hundred, and at worst.
type Spread struct {
	Count         int
	P50, P99, Max time.Duration
}

// SpreadOf sums up durations, in any order.
func SpreadOf(all []time.Duration) Spread {
	sorted := slices.Sorted(slices.Values(all))
	at := func(share float64) time.Duration {
		if len(sorted) == 0 {
			return 0
		}
		return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
	}
	return Spread{Count: len(all), P50: at(0.5), P99: at(0.99), Max: at(1)}
}
