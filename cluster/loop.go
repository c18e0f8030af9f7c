package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Loop is a node's own part in the cluster. One goroutine, that of Run, owns all its state: it folds what the store
// tells, decides, and starts and stops runners. What blocks is done beside it and comes back as a result.
type Loop struct {
	cfg        Config
	claimValue []byte
	stats      atomic.Pointer[Stats]
	queries    chan func()

	// The inputs, beside the clock and the batches of the store.
	results  chan func()   // what requests came to
	returned chan *run     // runs whose runner has returned
	wake     chan struct{} // a lease was lost

	work    sync.WaitGroup  // requests under way
	running sync.WaitGroup  // runners
	past    map[TermID]bool // this node's own earlier terms, while the key of one may be there

	view      *view
	fruitless int // terms in a row that were never registered
	leaving   bool
	leaveBy   Instant
	published Instant // when gauges last were,
	counted   Instant // and what is held among them
	life
}

// life is what the loop knows during one term; each begins with nothing.
type life struct {
	term   *term
	over   *ending
	dirty  []*hold
	holds  map[Key]*hold
	alarms alarms
	out    outbox
	asking map[Key]asking // bids under way

	listed, registering, registered, planned bool
	divided                                  bool // nodes share no version of the planner
	metAt                                    Instant
	metTerm                                  TermID
	buryAgain                                Instant

	publishing bool
	written    int64  // revision of this node's key, as it was last written
	intake     *lease // that this node's key names
	next       *lease // that it is to name next
	naming     bool   // that one is being granted
	slowest    *hold  // of those on the intake lease that were yet to be started, the one found last
	open       *lease // the lease that own bids go on at present
	granting   int

	moves     map[*peer][]moving // by target
	chosen    Instant            // when all were last chosen anew
	sending   map[string]int     // moves under way, by target
	underWay  int
	landing   []landed // done, but not seen by the view; in sending too
	emptied   bool     // all that was held was to go to others, when last looked at
	lastWrite Instant  // when a guarded write of ours last got through
	probing   bool
	bidPause  Instant
	looked    Instant // when conditions were last looked at
	trials    trials
	health    health
	askPause  Instant // no lease, probe or word about this node is asked for before this
}

// New returns a loop that has not begun. It blocks on nothing.
func New(cfg Config) (*Loop, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l := &Loop{
		cfg: cfg, claimValue: claimText(ClaimValue{Node: cfg.Self.ID}),
		queries: make(chan func()), results: make(chan func()), returned: make(chan *run),
		wake: make(chan struct{}, 1), past: map[TermID]bool{}, view: newView(cfg.Self.ID),
	}
	l.stats.Store(&Stats{At: time.Now()})
	return l, nil
}

// Run takes part in the cluster until ctx ends. It then hands off what it holds, for up to DrainTimeout or until Abort is
// closed, revokes its leases and returns nil. While ctx lives it comes back after every loss of a term, and returns only
// ErrDuplicate. All runners have returned when it does.
func (l *Loop) Run(ctx context.Context) error {
	for {
		over := l.serve(ctx)
		switch {
		case over.reason == endDuplicate:
			return over.err
		case l.leaving || ctx.Err() != nil:
			return nil
		}
		// All nodes may have lost their terms together: they must not all come back in the same moment.
		l.await(func() {
			pause := time.NewTimer(rejoinPause(l.fruitless))
			defer pause.Stop()
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		})
		l.fruitless++
	}
}

// tick is how often the loop turns when nothing happens.
const tick = 100 * time.Millisecond

// untilDue returns how long the loop may sleep when nothing happens.
func (l *Loop) untilDue(now Instant) time.Duration {
	if next, some := l.view.nextBid(now); some {
		return min(tick, next.Sub(now))
	}
	return tick
}

// serve is one term, from listing to revoking.
func (l *Loop) serve(ctx context.Context) ending {
	l.life = life{
		term: newTerm(&l.cfg, l.wake), holds: map[Key]*hold{}, asking: map[Key]asking{},
		moves: map[*peer][]moving{}, sending: map[string]int{}, out: outbox{queues: map[LeaseID][]request{}},
	}
	batches := make(chan Batch, 16)
	in := batches
	following, unfollow := context.WithCancel(context.Background())
	next := newView(l.cfg.Self.ID) // the old one answers queries until the listing is complete
	l.work.Go(func() {
		err := l.cfg.Store.Follow(following, batches)
		close(batches)
		if following.Err() == nil {
			l.results <- func() { l.unfollowed(err) }
		}
	})
	timer := time.NewTimer(tick)
	defer timer.Stop()
	leave := ctx.Done()
	for l.over == nil {
		select {
		case b, ok := <-in:
			if !ok {
				in = nil // Follow ended; its error is among the results
				continue
			}
			next = l.fold(next, b)
		case f := <-l.results:
			f()
		case r := <-l.returned:
			l.finished(r, l.cfg.Clock())
		case f := <-l.queries:
			f()
		case <-l.wake:
		case <-timer.C:
		case <-leave:
			leave = nil
			l.leaving, l.leaveBy = true, l.cfg.Clock().Add(l.cfg.DrainTimeout)
		case <-l.cfg.Abort:
			l.leaving = true
			l.fail(endLeaving, nil)
		}
		now := l.cfg.Clock()
		l.turn(now, len(batches)+len(l.results) == 0)
		timer.Reset(l.untilDue(now))
	}
	l.close(batches, unfollow)
	return *l.over
}

// fold takes a batch into the view. Until the first listing is complete the view is a new one that nobody acts on.
func (l *Loop) fold(next *view, b Batch) *view {
	now := l.cfg.Clock()
	next.fold(b, now, l.touched)
	if b.Fresh != 0 {
		l.term.fresh.Store(int64(b.Fresh))
	}
	if b.Listing && b.Complete {
		e := Event{Type: Listed, Count: len(next.slots), Reason: "again", Drift: next.listing.drift}
		if !l.listed {
			l.view, l.listed = next, true
			e.Reason, e.Drift = "start", 0
		}
		l.tell(e)
	}
	l.pass(next)
	return next
}

// pass tells what the view has noticed.
func (l *Loop) pass(v *view) {
	for _, e := range v.takeNews() {
		l.tell(e)
	}
	for _, m := range v.takeMalformed() {
		l.tell(Event{Type: Malformed, Path: m.Path, Err: errors.New(m.Error)})
	}
}

func (l *Loop) unfollowed(err error) {
	if errors.Is(err, ErrRestored) {
		l.fail(endRestored, err)
		return
	}
	l.fail(endError, err)
}

// turn is one pass of the loop over all that may be due. calm says that no input waits, so that what is sent now
// carries all that is known.
func (l *Loop) turn(now Instant, calm bool) {
	l.term.tick.Store(int64(now))
	l.join(now)
	if !l.registered || l.over != nil {
		if l.leaving {
			l.fail(endLeaving, nil)
		}
		l.look(now)
		l.flush()
		return
	}
	if l.checkTerm(); l.over != nil {
		return
	}
	l.ring(now)
	l.settleAll(now)
	if calm {
		l.plan(now)
	}
	if l.leaving {
		l.leave(now)
	}
	l.renewIntake(now)
	l.pump(now)
	l.settleAll(now) // what pump touched need not wait for the next input
	l.sweep(now)
	l.look(now)
	l.flush()
}

// checkTerm ends the term when the node lease or the node's key is lost.
func (l *Loop) checkTerm() {
	p := l.view.peer(l.cfg.Self.ID)
	switch {
	case l.term.all()[0].lost.Load():
		cause := context.Cause(l.term.all()[0].ctx)
		reason := endFenced
		if errors.Is(cause, errLeaseGone) {
			reason = endLost
		}
		l.fail(reason, cause)
	case p == nil || p.rev == 0 || p.Term != l.term.id:
		l.fail(endLost, errors.New("the node's key was deleted or taken"))
	}
}

func (l *Loop) settleAll(now Instant) {
	for len(l.dirty) > 0 {
		dirty := l.dirty
		l.dirty = nil
		for _, h := range dirty {
			h.queued = false
			if l.holds[h.key] == h {
				l.settle(h, now)
			}
		}
	}
}

// plan makes the view's plan and does what is this node's part in it.
func (l *Loop) plan(now Instant) {
	if l.view.replanDue(now) {
		l.tell(Event{Type: Planned, Count: l.view.replan(now)})
	}
	l.planned = l.planned || l.view.planned(now)
	if shared := l.view.alikePlanning(); shared == l.divided {
		l.divided = !shared
		e := Event{Type: Divided}
		if l.divided {
			e.Err = fmt.Errorf("plan moves: some nodes don't know version %d of the planner; upgrade them", l.view.version)
		}
		l.tell(e)
	}
	if !l.leaving {
		l.bid(now)
	}
	l.rebalance(now)
}

func (l *Loop) tell(e Event) {
	e.Time = time.Now()
	l.cfg.Observe(e)
}
