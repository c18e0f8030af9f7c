package clustertest

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// boot is what clocks show when a Memory is made: not 0, which stands for "no instant" in several places.
const boot = cluster.Instant(time.Hour)

// Memory is a linearizable store with leases that lives in this process. Nodes reach it through a Client each;
// its own methods are an operator's: they take effect at once, whatever the faults. All methods may be called
// concurrently, and none blocks.
type Memory struct {
	seed  uint64
	start time.Time

	// mu guards what follows and all that clients, followers and flights hold. Nobody waits while
	// holding it: a goroutine that waits for a mutex would stop the clock of a synctest bubble.
	mu       sync.Mutex
	state    state
	settings Settings
	rng      *rand.Rand
	agenda   agenda
	frozen   cluster.Instant // nothing on the agenda is done before
	life     int             // counts restores
	clients  map[string]*Client
	changed  chan struct{} // closed when those who wait should look again
}

// Settings is how the store itself behaves.
type Settings struct {
	MinTTL      time.Duration // least TTL granted; less is silently raised
	Election    time.Duration // what a change of leader adds to every lease
	ExpiryDelay Span          // from the end of a lease's TTL to the deletion of its keys, drawn anew for each renewal
	FalseAcks   float64       // share of renewals of an expired lease, its keys not deleted yet, that are acked as if in time
	Full        bool          // out of space: puts and grants are refused; deletions, revocations and renewals go on
	Page        int           // records in a page of a listing
}

// NewMemory returns an empty store that behaves as etcd does by default, with perfect connections. What its
// faults draw follows from the seed. Inside a synctest bubble, make it there.
func NewMemory(seed uint64) *Memory {
	return &Memory{
		seed:  seed,
		start: time.Now(),
		state: newState(),
		settings: Settings{
			MinTTL:      2 * time.Second,
			Election:    time.Second,
			ExpiryDelay: Span{Max: 500 * time.Millisecond},
			Page:        100,
		},
		rng:     rand.New(rand.NewPCG(seed, 0)),
		clients: map[string]*Client{},
		changed: make(chan struct{}),
	}
}

// Now is the store's own clock, by which leases expire.
func (m *Memory) Now() cluster.Instant { return boot.Add(time.Since(m.start)) }

// Client returns the connection called name, made at the first call. A node that restarts keeps it.
func (m *Memory) Client(name string) *Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.clients[name]; c != nil {
		return c
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	c := &Client{
		store: m,
		rng:   rand.New(rand.NewPCG(m.seed, h.Sum64())),
		clock: clock{real: boot, shown: boot, rate: 1},
		life:  m.life,
	}
	m.clients[name] = c
	return c
}

// Adjust changes how the store behaves from now on.
func (m *Memory) Adjust(change func(*Settings)) {
	m.do(func(cluster.Instant) {
		change(&m.settings)
		m.broadcast()
	})
}

// Stall makes the leader stand still: for d nothing is answered, nothing expires and nobody is told
// anything new. Then everything that came meanwhile is done in turn.
func (m *Memory) Stall(d time.Duration) {
	m.do(func(now cluster.Instant) { m.frozen = max(m.frozen, now.Add(d)) })
}

// ChangeLeader kills the leader. For the outage nothing happens; then every lease lasts its whole TTL again and
// Settings.Election more, as the new leader can't know what the old one acked.
func (m *Memory) ChangeLeader(outage time.Duration) {
	m.do(func(now cluster.Instant) {
		m.frozen = max(m.frozen, now.Add(outage))
		m.agenda.add(now, func(at cluster.Instant) {
			for _, l := range m.state.leases {
				m.refresh(l, at.Add(m.settings.Election))
			}
		})
	})
}

// do brings the store up to date and runs f as of now, with the lock held. Those who wait hear of a new revision,
// and of an item on the agenda that is due before all others.
func (m *Memory) do(f func(now cluster.Instant)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, rev, next := m.Now(), m.state.rev, m.agenda.next()
	m.settle(now)
	f(now)
	m.settle(now)
	if m.state.rev != rev || m.agenda.next() < next {
		m.broadcast()
	}
}

// settle does what has fallen due.
func (m *Memory) settle(now cluster.Instant) {
	for m.due() <= now {
		i := m.agenda.take()
		i.do(max(i.due, m.frozen))
	}
}

// due tells when there is something to settle.
func (m *Memory) due() cluster.Instant { return max(m.agenda.next(), m.frozen) }

func (m *Memory) broadcast() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// sleep waits until an instant, changed being closed (nil: it never is), or the end of ctx.
func (m *Memory) sleep(ctx context.Context, until cluster.Instant, changed <-chan struct{}) error {
	var timer <-chan time.Time
	if until != never {
		t := time.NewTimer(until.Sub(m.Now()))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
