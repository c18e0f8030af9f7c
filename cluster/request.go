package cluster

import (
	"context"
	"errors"
	"time"
)

const (
	// maxRequests is how many Commits a node has under way. More would only queue up in the store.
	maxRequests = 8
	// maxBidding is how many Commits with bids the nodes have under way together, about. All that is claimed is told to every
	// node: fifty with eight each had claimed 50,000 resources long before anybody had heard of it, and let go of their leases,
	// since they could not prove their views fresh.
	maxBidding = 24
	// behindPause is how long a node whose view is a quarter of a TTL behind waits after each Commit with bids: what it claims only
	// adds to what it has not heard of yet, and at half a TTL its renewals end. With a longer pause others would take it for late.
	behindPause = leastLate / 2
	// retryPause is how long a hold waits after a request about it went wrong.
	retryPause = 250 * time.Millisecond
)

// pace returns how many Commits with bids this node may have under way.
func (l *Loop) pace() int {
	return min(maxRequests, max(2, maxBidding/max(1, len(l.view.members))))
}

// request is one guarded write that waits for its turn, or is under way.
type request struct {
	op   Op
	on   *lease // own lease that the op puts on, nil for none: it counts as reserved until answered
	then func(Result, Answer, error)
}

// outbox groups requests: a Commit is refused whole when a lease in it is gone, so what is on different leases
// goes in different Commits.
type outbox struct {
	queues map[LeaseID][]request
	order  []LeaseID // first come, first served; no id twice
	flying int       // Commits under way
	queued int
}

// post queues a guarded write. then is called by the loop with what became of it: err says that the whole Commit
// went wrong, ErrLeaseNotFound and ErrRefused that nothing was written, anything else that the outcome is unknown.
func (l *Loop) post(r request) {
	if r.on != nil {
		r.on.reserved++
	}
	o := &l.out
	if len(o.queues[r.op.Lease]) == 0 {
		o.order = append(o.order, r.op.Lease)
	}
	o.queues[r.op.Lease] = append(o.queues[r.op.Lease], r)
	o.queued++
}

// flush sends what is queued, as far as requests are free.
func (l *Loop) flush() {
	o := &l.out
	for o.flying < maxRequests && len(o.order) > 0 {
		id := o.order[0]
		o.order = o.order[1:]
		queue := o.queues[id]
		n := min(len(queue), MaxCommit)
		if rest := queue[n:]; len(rest) > 0 {
			o.queues[id] = rest
			o.order = append(o.order, id)
		} else {
			delete(o.queues, id)
		}
		o.queued -= n
		l.commit(queue[:n:n])
	}
}

func (l *Loop) commit(batch []request) {
	ops := make([]Op, len(batch))
	for i, r := range batch {
		ops[i] = r.op
	}
	l.out.flying++
	ctx, cancel := context.WithTimeout(l.term.ctx, l.term.timing.ttl/2)
	l.work.Go(func() {
		answer, err := l.cfg.Store.Commit(ctx, ops)
		cancel()
		l.results <- func() { l.answered(batch, answer, err) }
	})
}

// answered folds an answer like a step of the watch (per key the highest revision wins), then tells the askers.
func (l *Loop) answered(batch []request, answer Answer, err error) {
	now := l.cfg.Clock()
	l.out.flying--
	if err == nil {
		var records []Record
		for i, r := range batch {
			records = append(records, recordsOf(r.op, answer, answer.Results[i])...)
			if answer.Results[i].Done && r.op.Path != "" {
				l.lastWrite = now
			}
		}
		l.view.foldAnswer(records, now, l.touched)
		l.pass(l.view)
	}
	if errors.Is(err, ErrRestored) {
		l.fail(endRestored, err)
	}
	for i, r := range batch {
		if r.on != nil {
			r.on.reserved--
			r.on.idle = now
		}
		var result Result
		if err == nil {
			result = answer.Results[i]
		}
		r.then(result, answer, err)
	}
}

// recordsOf returns what an answered op shows of the control range.
func recordsOf(op Op, answer Answer, result Result) []Record {
	var records []Record
	if result.Done && op.Path >= ControlFirst && op.Path < ControlEnd {
		records = append(records, Record{
			Path: op.Path, Value: op.Value, Lease: op.Lease, Rev: answer.Rev, Deleted: op.Delete,
		})
	}
	for _, r := range result.Read {
		if r.Path >= ControlFirst && r.Path < ControlEnd {
			records = append(records, r)
		}
	}
	return records
}

// room returns an own lease that takes one more claim, nil when a new one must be granted first. Intake leases are
// left to others.
func (l *Loop) room(now Instant) *lease {
	if l.open != nil && l.takes(l.open, now) > 0 {
		return l.open
	}
	for _, c := range l.term.all()[1:] {
		if l.takes(c, now) > 0 {
			l.open = c
			return c
		}
	}
	return nil
}

// takes returns how many more of this node's own bids a lease takes.
func (l *Loop) takes(c *lease, now Instant) int {
	if c.intake || c.ending || !c.trusted(now, l.term.timing.stop) {
		return 0
	}
	return maxOnLease - c.claims - c.reserved
}

// free returns how many claims the own leases still take, granted and being granted.
func (l *Loop) free(now Instant) int {
	n := l.granting * maxOnLease
	for _, c := range l.term.all()[1:] {
		n += l.takes(c, now)
	}
	return n
}

// provide sees to it that there is room for n more claims, and some to spare.
func (l *Loop) provide(n int, now Instant) {
	const spare = maxOnLease / 2
	for now >= l.askPause && l.granting < maxRequests && l.free(now) < n+spare {
		l.granting++
		l.grant(func(c *lease, err error) { l.granting-- })
	}
}

// grant asks for one more claim lease and calls then, on the loop, once it is usable or refused.
func (l *Loop) grant(then func(*lease, error)) {
	term := l.term
	id, ok := term.name()
	if !ok {
		l.fail(endError, errUsedUp)
		then(nil, errUsedUp)
		return
	}
	ctx, cancel := context.WithTimeout(term.ctx, term.timing.ttl/2)
	l.work.Go(func() {
		c, err := term.grant(ctx, id)
		cancel()
		l.results <- func() {
			if err == nil {
				c.idle = l.cfg.Clock()
				term.add(c)
			} else {
				l.refrain()
			}
			if l.over == nil { // nothing is begun any more that nobody would wait for
				then(c, err)
			}
		}
	})
}

var errUsedUp = errors.New("grant lease: all 65,536 lease numbers of this term are used; it ends, and another begins")

// refrain has the node wait before it asks again: a store that is full refuses at once, as often as it is asked, and a watch
// that lags shows late what was written.
func (l *Loop) refrain() { l.askPause = l.cfg.Clock().Add(retryPause) }

// sweep revokes leases that are lost, once no runner is left on them, and those that nothing has been on for a while.
func (l *Loop) sweep(now Instant) {
	for i, c := range l.term.all() {
		if i == 0 {
			continue // the node lease ends with the term
		}
		empty := c.claims == 0 && c.reserved == 0 && c.live.Load() == 0
		if empty && !c.ending && !c.intake && now.Sub(c.idle) > time.Minute && l.free(now) > 2*maxOnLease {
			c.lose(errRetired)
		}
		if c.lost.Load() && !c.ending {
			c.ending = true
			l.tell(Event{Type: LostLease, Lease: c.id, Reason: context.Cause(c.ctx).Error()})
		}
		if c.ending && !c.revoking && now >= c.again && c.live.Load() == 0 {
			l.revoke(c)
		}
	}
}

func (l *Loop) revoke(c *lease) {
	c.revoking = true
	ctx, cancel := context.WithTimeout(l.term.ctx, l.term.timing.ttl/2)
	l.work.Go(func() {
		err := l.cfg.Store.Revoke(ctx, c.id)
		cancel()
		l.results <- func() {
			c.revoking = false
			if err != nil {
				c.again = l.cfg.Clock().Add(retryPause)
				return
			}
			l.term.remove(c)
		}
	})
}
