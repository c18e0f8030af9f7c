package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// ledger sees every run of every node from outside, at once and without delay, and notes what must never happen.
type ledger struct {
	mu       sync.Mutex
	live     map[cluster.Key]entry
	last     map[cluster.Key]int64 // highest epoch ever run
	runs     int
	problems []string
}

type entry struct {
	by    *process
	epoch int64
}

// process is one life of a node's process. When it is dead, what its goroutines still do no longer counts.
type process struct {
	name string
	dead bool // guarded by the ledger
}

func newLedger() *ledger {
	return &ledger{live: map[cluster.Key]entry{}, last: map[cluster.Key]int64{}}
}

func (l *ledger) begin(p *process, c cluster.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return
	}
	l.runs++
	if other, held := l.live[c.Key]; held {
		l.problem("%s runs on %s at epoch %d and on %s at epoch %d", c.Key, other.by.name, other.epoch, p.name, c.Epoch)
	}
	if c.Epoch <= l.last[c.Key] {
		l.problem("%s runs on %s at epoch %d after epoch %d", c.Key, p.name, c.Epoch, l.last[c.Key])
	}
	l.last[c.Key] = max(l.last[c.Key], c.Epoch)
	l.live[c.Key] = entry{p, c.Epoch}
}

func (l *ledger) end(p *process, c cluster.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.live[c.Key]; e.by == p && e.epoch == c.Epoch {
		delete(l.live, c.Key)
	}
}

// kill ends a process, and with it everything it runs.
func (l *ledger) kill(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.dead = true
	for key, e := range l.live {
		if e.by == p {
			delete(l.live, key)
		}
	}
}

func (l *ledger) isDead(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dead
}

func (l *ledger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

func (l *ledger) heldBy() map[cluster.Key]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[cluster.Key]string{}
	for key, e := range l.live {
		held[key] = e.by.name
	}
	return held
}

// slowRunner runs resources that do nothing, take their time to stop, and sometimes fail.
type slowRunner struct {
	process *process
	ledger  *ledger
	stop    time.Duration // the most that stopping takes
}

func (r *slowRunner) Check(spec json.RawMessage) error {
	if strings.Contains(string(spec), "invalid") {
		return errors.New("the spec says that it is invalid")
	}
	return nil
}

func (r *slowRunner) Run(ctx context.Context, c cluster.Claim) error {
	r.ledger.begin(r.process, c)
	defer r.ledger.end(r.process, c)
	var failing <-chan time.Time
	if strings.Contains(string(c.Spec), "flaky") {
		failing = time.After(rand.N(20 * time.Second))
	}
	select {
	case <-ctx.Done():
		time.Sleep(rand.N(r.stop)) // in a bubble
		return context.Cause(ctx)
	case <-failing:
		if rand.IntN(4) == 0 {
			panic("flaky")
		}
		return errors.New("flaky")
	}
}
