package cluster_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// What design §4 leaves between the end of a runner and the moment at which the store may give its claim to others, with a
// TTL of 8 s: the margin of 2 elections and 1 s, and the second by which claim leases last longer.
const leastLeft = 4 * time.Second

// ledger sees every run of every node from outside, at once and without delay, holds it against what the store
// says at that moment, and notes what must never happen.
type ledger struct {
	store *clustertest.Memory
	blind time.Duration // how long a node may run what it can't know to be deleted: 5/4 of a TTL of 8 s

	mu       sync.Mutex
	live     map[cluster.Key]entry
	last     map[cluster.Key]int64 // highest epoch ever run
	meddled  map[cluster.Key]meddling
	runs     int
	problems []string
}

type entry struct {
	by    *process
	epoch int64
	since cluster.Instant
	claim cluster.Claim // as the runner was given it
}

// meddling is what an operator did to a claim behind its holder's back. The holder may run on until it learns of that.
type meddling struct {
	rev   int64
	until cluster.Instant
}

// process is one life of a node's process. When it is dead, what its goroutines still do no longer counts. The ledger
// guards it.
type process struct {
	name   string
	dead   bool
	listed int64 // the revision as of which it first listed
}

func newLedger(store *clustertest.Memory) *ledger {
	return &ledger{
		store: store, blind: 10 * time.Second,
		live: map[cluster.Key]entry{}, last: map[cluster.Key]int64{}, meddled: map[cluster.Key]meddling{},
	}
}

// begin notes that a runner has begun.
func (l *ledger) begin(p *process, c cluster.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return
	}
	l.runs++
	if other, held := l.live[c.Key]; held && !l.unknowing(p, c.Key) {
		l.problem("%s runs on %s at epoch %d and on %s at epoch %d", c.Key, other.by.name, other.epoch, p.name, c.Epoch)
	}
	if c.Epoch <= l.last[c.Key] {
		l.problem("%s runs on %s at epoch %d after epoch %d", c.Key, p.name, c.Epoch, l.last[c.Key])
	}
	l.last[c.Key] = max(l.last[c.Key], c.Epoch)
	l.live[c.Key] = entry{p, c.Epoch, l.store.Now(), c}
	l.verify("begins to run", p, c)
}

// end notes that a runner has returned: only now may anything become of the claim.
func (l *ledger) end(p *process, c cluster.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return
	}
	l.verify("still ran", p, c)
	if e := l.live[c.Key]; e.by == p && e.epoch == c.Epoch {
		delete(l.live, c.Key)
	}
}

// verify checks that a run's claim stands in the store, under the run's epoch and on a lease that will not end soon.
func (l *ledger) verify(what string, p *process, c cluster.Claim) {
	claim, _ := l.store.Get(cluster.ClaimPath(c.Key))
	left, exists := l.store.TimeToLive(claim.Lease)
	m := l.meddled[c.Key]
	switch {
	case c.Epoch < m.rev && l.store.Now() <= m.until:
	case claim.Rev != c.Epoch:
		l.problem("%s %s on %s at epoch %d though its claim in the store is at %d", c.Key, what, p.name, c.Epoch, claim.Rev)
	case !exists || left < leastLeft:
		l.problem("%s %s on %s at epoch %d with only %v left on lease %s", c.Key, what, p.name, c.Epoch, left, claim.Lease)
	}
}

// kill ends a process, and with it everything it runs, which is checked as if it had returned when the process ended itself.
func (l *ledger) kill(p *process, itself bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	for key, e := range l.live {
		if e.by != p {
			continue
		}
		if itself {
			l.verify("still ran", p, cluster.Claim{Key: key, Epoch: e.epoch})
		}
		delete(l.live, key)
	}
}

func (l *ledger) isDead(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dead
}

// meddle does what an operator does to claims, and excuses their holders for as long as they may not know. Those who list in that
// time can't know of it either: what they then run beside a holder is excused too.
func (l *ledger) meddle(do func() (keys []cluster.Key)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range do() {
		l.meddled[key] = meddling{l.store.Rev(), l.store.Now().Add(l.blind)}
	}
}

// unknowing tells whether a process lists too late to know of what an operator did.
func (l *ledger) unknowing(p *process, key cluster.Key) bool {
	m := l.meddled[key]
	return m.rev != 0 && m.rev <= p.listed && l.store.Now() <= m.until
}

// lists notes that a process begins a term with what the store holds now.
func (l *ledger) lists(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.listed = l.store.Rev()
}

func (l *ledger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// report notes what somebody else has found.
func (l *ledger) report(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problem(format, args...)
}

func (l *ledger) found() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

// heldBy returns which process runs each resource that runs.
func (l *ledger) heldBy() map[cluster.Key]*process {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[cluster.Key]*process{}
	for key, e := range l.live {
		held[key] = e.by
	}
	return held
}

// epochs returns under which epoch each resource runs.
func (l *ledger) epochs() map[cluster.Key]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	running := map[cluster.Key]int64{}
	for key, e := range l.live {
		running[key] = e.epoch
	}
	return running
}

// claimOf returns the claim of the run that is live, the zero one if there is none.
func (l *ledger) claimOf(key cluster.Key) cluster.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[key].claim
}
