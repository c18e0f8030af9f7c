package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// Kind is the kind of the resources that nodes hold here.
const Kind = "bench"

// Run is one life of a runner, as the runner itself saw it.
type Run struct {
	Key   cluster.Key
	Node  string
	Epoch int64
	Began time.Time
	Ended time.Time // zero while it runs
}

// Ledger is what the runners of a cluster say of themselves. It may be used concurrently.
type Ledger struct {
	mu       sync.Mutex
	runs     []Run
	last     map[cluster.Key]int // index of the newest run
	held     map[string]int      // by node
	running  int
	overlaps int
	waiting  map[*wait]bool
}

// Now is how things stand.
type Now struct {
	Running, Ever int            // runners now, and runs that there have been
	Held          map[string]int // runners by node; not to be kept
}

// wait is somebody who waits for something.
type wait struct {
	what func(Now) bool
	done chan struct{}
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{last: map[cluster.Key]int{}, held: map[string]int{}, waiting: map[*wait]bool{}}
}

// Held returns the runners of one node.
func (l *Ledger) Held(node string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[node]
}

// Ever returns how many runs there have been.
func (l *Ledger) Ever() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.runs)
}

// Overlaps returns how often a runner began while another of the same resource ran.
func (l *Ledger) Overlaps() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.overlaps
}

// Since returns the runs from the one given on, in the order in which they began: Since(Ever()) will be those yet to come.
func (l *Ledger) Since(run int) []Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Run{}, l.runs[run:]...)
}

// Gaps returns for how long nobody ran each resource before the runs from the one given on; first runs have none.
func (l *Ledger) Gaps(run int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := map[cluster.Key]time.Time{}
	var gaps []time.Duration
	for i, r := range l.runs {
		if before, ok := ended[r.Key]; ok && i >= run {
			gaps = append(gaps, max(r.Began.Sub(before), 0))
		}
		ended[r.Key] = r.Ended
	}
	return gaps
}

// Wait returns once what holds; it is asked after every change, and must not block.
func (l *Ledger) Wait(ctx context.Context, what func(Now) bool) error {
	w := &wait{what, make(chan struct{})}
	l.mu.Lock()
	l.waiting[w] = true
	l.tell()
	l.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, w)
		return fmt.Errorf("wait for resources to be held: now, by node: %v: %w", l.held, context.Cause(ctx))
	}
}

func (l *Ledger) tell() {
	for w := range l.waiting {
		if w.what(Now{l.running, len(l.runs), l.held}) {
			delete(l.waiting, w)
			close(w.done)
		}
	}
}

// began notes a run and returns its index.
func (l *Ledger) began(c cluster.Claim) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.last[c.Key]; ok && l.runs[i].Ended.IsZero() {
		l.overlaps++
	}
	l.runs = append(l.runs, Run{Key: c.Key, Node: c.Node, Epoch: c.Epoch, Began: time.Now()})
	l.last[c.Key] = len(l.runs) - 1
	l.held[c.Node]++
	l.running++
	l.tell()
	return len(l.runs) - 1
}

func (l *Ledger) ended(run int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.runs[run]
	r.Ended = time.Now()
	l.held[r.Node]--
	l.running--
	l.tell()
}

// waiter is the kind whose runners do nothing but note in the ledger that they run.
type waiter struct{ ledger *Ledger }

func (waiter) Check(json.RawMessage) error { return nil }

func (w waiter) Run(ctx context.Context, c cluster.Claim) error {
	run := w.ledger.began(c)
	defer w.ledger.ended(run)
	<-ctx.Done()
	return nil
}
