package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxOnLease is how many claims one lease may carry. etcd deletes what is on a lease in one step that stops all else.
const maxOnLease = 1000

// maxLeases is how many leases a term can name, in 16 bits, beside one that is asked for at its beginning.
const maxLeases = 1<<16 - 1

// term is one life of this node's leases. Its goroutines renew them, watch over their deadlines and follow the
// store; end joins them all.
type term struct {
	id     TermID
	cfg    *Config
	timing timing
	ctx    context.Context // ends with the term; every lease's and so every runner's context derives from it
	cancel context.CancelCauseFunc

	leases atomic.Pointer[[]*lease] // replaced, never changed, by the loop; leases[0] is the node lease
	index  map[LeaseID]*lease       // the same, for the loop
	named  atomic.Int32             // lease numbers handed out
	tick   atomic.Int64             // Instant of the loop's last turn
	fresh  atomic.Int64             // Instant up to which the view is proven complete

	wake    chan struct{} // nudges the loop; holds one
	renewal chan struct{} // closed to stop renewing
	over    chan struct{} // closed to stop the watchdog, when no runner is left
	group   sync.WaitGroup
}

func newTerm(cfg *Config, wake chan struct{}) *term {
	t := &term{
		id: TermID(rand.Uint64N(1<<47-1) + 1), cfg: cfg, wake: wake,
		timing: newTiming(cfg.TTL, cfg.ElectionTimeout, cfg.StopBudget),
		index:  map[LeaseID]*lease{}, renewal: make(chan struct{}), over: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.leases.Store(new([]*lease))
	return t
}

// begin puts the node lease, and the timing that came with it, in force: from here on leases are renewed and watched.
func (t *term) begin(node *lease, timing timing) {
	now := int64(t.cfg.Clock())
	t.timing = timing
	t.tick.Store(now)
	t.fresh.Store(now)
	t.add(node)
	t.group.Go(t.watch)
	t.group.Go(t.renew)
}

func (t *term) all() []*lease { return *t.leases.Load() }

// name reserves the next lease id, telling the supervisor before the store can know it. It returns false when the term
// has used up its numbers: none is used twice, since a request that is still on its way may name it.
func (t *term) name() (LeaseID, bool) {
	n := int(t.named.Load())
	if n == maxLeases {
		return 0, false
	}
	t.named.Add(1)
	t.report()
	return t.id.Lease(n), true
}

func (t *term) add(l *lease) {
	next := append(append([]*lease{}, t.all()...), l)
	t.leases.Store(&next)
	t.index[l.id] = l
	t.report()
}

func (t *term) remove(gone *lease) {
	next := make([]*lease, 0, len(t.all()))
	for _, l := range t.all() {
		if l != gone {
			next = append(next, l)
		}
	}
	t.leases.Store(&next)
	delete(t.index, gone.id)
}

// grant asks for a lease. Trust counts from before the first request, so that retries inside Grant are covered.
func (t *term) grant(ctx context.Context, id LeaseID) (*lease, error) {
	sentAt := t.cfg.Clock()
	if _, err := t.cfg.Store.Grant(ctx, id, t.timing.claimTTL); err != nil {
		return nil, fmt.Errorf("grant lease %s: %w", id, err)
	}
	return t.trust(id, sentAt, t.timing)
}

// trust returns a lease that was granted. One that was granted so late that nothing could be held on it any more is of no use: its
// deadline would have the supervisor end a process that holds nothing.
func (t *term) trust(id LeaseID, sentAt Instant, timing timing) (*lease, error) {
	l, now := newLease(t.ctx, id, sentAt, timing.window), t.cfg.Clock()
	if !l.trusted(now, timing.stop) {
		return nil, fmt.Errorf("grant lease %s: it took %v, and trust in it lasts for %v", id, now.Sub(sentAt), timing.window-timing.stop)
	}
	return l, nil
}

// grantNode asks for the node lease. A TTL longer than asked for tells of a long election timeout: if it leaves too little
// trust, a longer one is asked for.
func (t *term) grantNode(ctx context.Context) (*lease, timing, error) {
	timing := t.timing
	election, err := t.electionTimeout(ctx)
	if err != nil {
		return nil, timing, err
	}
	if election > timing.election {
		timing = newTiming(t.cfg.TTL, election, t.cfg.StopBudget)
	}
	id, _ := t.name() // the first
	for {
		sentAt := t.cfg.Clock()
		ttl, err := t.cfg.Store.Grant(ctx, id, timing.ttl)
		if err != nil {
			return nil, timing, fmt.Errorf("grant node lease %s: %w", id, err)
		}
		next, again := timing.granted(ttl)
		if !again {
			node, err := t.trust(id, sentAt, next)
			return node, next, err
		}
		if err := t.cfg.Store.Revoke(ctx, id); err != nil {
			return nil, timing, fmt.Errorf("revoke node lease %s, whose TTL of %v is too short: %w", id, ttl, err)
		}
		timing = next
	}
}

// electionTimeout returns how long the store's election timeout may be, 0 if it is no longer than what a TTL of two seconds allows for:
// etcd's own of 1 s. The store raises a TTL below three halves of it, so the shortest lease tells; a long enough TTL would
// be granted as asked, whatever the election timeout is.
func (t *term) electionTimeout(ctx context.Context) (time.Duration, error) {
	id := t.id.Lease(maxLeases) // no other lease has this number
	least, err := t.cfg.Store.Grant(ctx, id, time.Second)
	if err != nil {
		return 0, fmt.Errorf("ask for the shortest lease: %w", err)
	}
	_ = t.cfg.Store.Revoke(ctx, id) // if that fails it ends by itself, in a moment
	if least <= 2*time.Second {
		return 0, nil
	}
	return least * 2 / 3, nil
}

// renew keeps the leases alive, in rounds, for as long as the node is of use: its loop turns and its view is
// proven fresh. A node that is stuck must let go, or what it holds would be held by nobody and free for nobody.
func (t *term) renew() {
	ticker := time.NewTicker(t.timing.renew)
	defer ticker.Stop()
	for {
		select {
		case <-t.renewal:
			return
		case <-ticker.C:
		}
		if err := t.stuck(t.cfg.Clock()); err != nil {
			t.cfg.Observe(Event{Type: Stuck, Time: time.Now(), Term: t.id, Err: err})
			continue
		}
		t.round()
		t.report()
	}
}

func (t *term) round() {
	ids := make([]LeaseID, 0, len(t.all()))
	byID := make(map[LeaseID]*lease, len(t.all()))
	for _, l := range t.all() {
		if l.trusted(t.cfg.Clock(), t.timing.stop) {
			ids = append(ids, l.id)
			byID[l.id] = l
		}
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.timing.patience)
	defer cancel()
	// What was not answered shows in the deadlines; an error has no other consequence than the next round.
	_ = t.cfg.Store.Renew(ctx, ids, func(a Ack) {
		if l := byID[a.Lease]; l != nil {
			l.renewed(a, t.cfg.Clock(), t.timing)
		}
	})
}

func (t *term) stuck(now Instant) error {
	if age := now.Sub(Instant(t.tick.Load())); age > t.timing.useful {
		return fmt.Errorf("renew leases: the loop has not turned for %v", age.Round(time.Millisecond))
	}
	if age := now.Sub(Instant(t.fresh.Load())); age > t.timing.useful {
		return fmt.Errorf("renew leases: the view has not been proven fresh for %v", age.Round(time.Millisecond))
	}
	return nil
}

// watch is the watchdog: it ends trust in time even when the loop is stuck, and ends the process when a runner
// outlives its trust. It looks often instead of sleeping until a deadline, because timers don't count time spent suspended.
func (t *term) watch() {
	ticker := time.NewTicker(min(t.timing.renew/4, 50*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-t.over:
			return
		case <-ticker.C:
		}
		now := t.cfg.Clock()
		for _, l := range t.all() {
			if !l.lost.Load() && !l.trusted(now, t.timing.stop) {
				l.lose(ErrTrustEnded)
			}
			if l.lost.Load() {
				t.nudge()
			}
			if n := l.live.Load(); n > 0 && now >= l.deadline() {
				t.cfg.Exit(fmt.Errorf("hold resources: %d runners on lease %s did not return within the stop budget of %v",
					n, l.id, t.timing.stop))
			}
		}
	}
}

func (t *term) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// remaining returns the least trust left over all leases.
func (t *term) remaining(now Instant) time.Duration {
	least := time.Duration(0)
	for i, l := range t.all() {
		left := max(l.deadline().Sub(now), 0)
		if l.lost.Load() {
			left = 0
		}
		if i == 0 || left < least {
			least = left
		}
	}
	return least
}

// end revokes the leases, node lease first, and joins the term's goroutines. No runner may be left. What can't be
// revoked in the time given expires by itself.
func (t *term) end(ctx context.Context) error {
	close(t.over)
	t.group.Wait()
	ids := make([]LeaseID, len(t.all()))
	for i, l := range t.all() {
		ids[i] = l.id
		l.lose(errTermOver)
	}
	t.report() // nothing can overrun any more, and should this process end now, its supervisor does the rest
	return RevokeTerm(ctx, t.cfg.Store, ids)
}

// RevokeTerm revokes the leases of a term whose runners have all ended, the first one, the node lease, before the others:
// once a node's key is gone, its claims are free the moment they vanish. It blocks until all are
// answered or ctx ends, and returns what could not be revoked; that expires by itself.
func RevokeTerm(ctx context.Context, store Store, ids []LeaseID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := store.Revoke(ctx, ids[0]); err != nil {
		return fmt.Errorf("revoke node lease %s: %w", ids[0], err)
	}
	errs := make([]error, len(ids))
	var group sync.WaitGroup
	slots := make(chan struct{}, maxRequests)
	for i, id := range ids[1:] {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := store.Revoke(ctx, id); err != nil {
				errs[i] = fmt.Errorf("revoke lease %s: %w", id, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
