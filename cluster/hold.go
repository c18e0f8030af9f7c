package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// hold is a claim of this node's term and what is done about it. What it says of the claim is as of the
// view's newest record; the loop brings the two together in settle, one step at a time.
type hold struct {
	key   Key
	slot  *slot
	lease *lease // that the claim is on
	epoch int64  // newest mod revision of the claim
	spent int64  // epochs up to this one never run again
	how   string // how it arrived: one of the Change constants
	gap   gap

	spec     json.RawMessage // the last good one
	specRev  int64           // its mod revision; 0: not read yet
	refused  refusal         // why nothing is run, or why a newer spec isn't
	changed  bool            // a newer good spec waits for the run to end
	searched bool            // for a last good spec in the store

	run     *run
	origin  string    // the node that handed it off as it left; "": none
	stopped time.Time // when its last run had returned, by the wall clock
	busy    bool      // a guarded write about the claim is under way
	pauseTo Instant   // no request before this, since the last one went wrong
	trouble trouble
	to      *peer // the node it is on its way to; nil: it stays
	chosen  bool  // to move, as soon as there is room for it: in Loop.moves
	trial   bool  // the move is to see whether another node does better
	queued  bool  // in Loop.dirty
	note    note
}

// gap is when a resource was last known to have lost its runner, to measure how long it had none.
type gap struct {
	from Instant   // by this node's clock, 0 if not known
	wall time.Time // by the wall clock of the node that handed it off
}

// refusal says that a spec is not run, and which.
type refusal struct {
	state string // stateInvalid, stateQuarantined, stateDone; "" for none
	rev   int64
	err   error
}

// The states of a resource that its runner has no word for.
const (
	stateStarting    = "starting"
	stateRunning     = "running"
	stateStopping    = "stopping"
	stateFailed      = "failed"
	stateQuarantined = "quarantined" // no node can run it until the spec changes
	stateInvalid     = "invalid"     // the newest spec can't be run; an older one may be running
	stateDone        = "done"        // the work ended; until the spec changes there is none
	stateHeld        = "held"
	statePending     = "pending"
)

var errUnknownKind = errors.New("this node runs no such kind")

// refuse keeps the present spec from being run until it changes.
func (h *hold) refuse(state string, err error) { h.refused = refusal{state, h.specRev, err} }

// blocked tells whether the last good spec is not to be run.
func (h *hold) blocked() bool { return h.refused.state != "" && h.refused.rev == h.specRev }

// wish is what should become of a hold.
type wish int

const (
	keep    wish = iota // run it here
	move                // hand it to h.to
	release             // delete the claim
)

func (l *Loop) wish(h *hold) (wish, error) {
	s := h.slot
	switch {
	case s.rev == 0 || s.paused:
		return release, ErrUnwanted
	case l.cfg.Runners[h.key.Kind] == nil:
		return release, errUnknownKind
	case h.to != nil && l.leaving:
		return move, ErrLeaving
	case h.to != nil:
		return move, ErrMoving
	}
	return keep, nil
}

// settle takes the next step for one hold: it is called whenever something about it changed, and is
// harmless to call again.
func (l *Loop) settle(h *hold, now Instant) {
	s := h.slot
	mine := s.lease != 0 && s.lease.Term() == l.term.id
	if h.run != nil {
		switch want, why := l.wish(h); {
		case h.run.lost:
		case !mine || s.claim != h.run.epoch:
			l.tell(Event{Type: LostClaim, Key: h.key, Epoch: h.run.epoch})
			h.run.lost = true
			l.stop(h, ErrClaimLost, now)
			h.run.void(ErrClaimLost) // also if it was stopping already, and is finishing something
		case h.run.stopping != nil:
		case want == release:
			l.stop(h, why, now)
		case want == keep && h.changed:
			l.stop(h, ErrChanged, now)
		} // A move is begun by pump, which knows how many may be under way.
		return
	}
	if !mine {
		l.drop(h, now)
		return
	}
	if !l.attach(h) || h.lease.lost.Load() {
		return // the lease is about to be revoked, and its claims with it
	}
	if h.busy || now < h.pauseTo {
		return
	}
	switch want, why := l.wish(h); want {
	case move:
		l.handOff(h)
	case release:
		l.release(h, why)
	case keep:
		l.begin(h, now)
	}
}

// attach brings the hold to the newest revision of its claim.
func (l *Loop) attach(h *hold) bool {
	if h.lease == nil || h.lease.id != h.slot.lease {
		if h.lease != nil {
			h.lease.claims--
		}
		if h.lease = l.term.index[h.slot.lease]; h.lease == nil {
			return false
		}
		h.lease.claims++
	}
	if h.epoch != h.slot.claim {
		h.epoch = h.slot.claim
		l.tell(Event{Type: Claimed, Key: h.key, Epoch: h.epoch, Reason: h.how})
		h.how = ChangeRenewed
	}
	return true
}

// begin starts the runner when every condition for it holds: the newest record of the claim is a put on a trusted
// lease of this term (settle saw to it), its epoch is not spent, and the spec is good.
func (l *Loop) begin(h *hold, now Instant) {
	switch {
	case h.specRev == 0:
		l.read(h)
	case h.refused.state == stateInvalid && h.spec == nil && !h.searched:
		l.readGood(h)
	case h.blocked() || now < h.trouble.retryAt:
	case l.outgoing(h):
		// It waits for pump to hand it off; a new run would only be stopped again.
	case h.epoch <= h.spent:
		l.rewrite(h)
	case h.lease.trusted(now, l.term.timing.stop):
		h.changed = false
		e := Event{Type: Started, Key: h.key, Epoch: h.epoch, Reason: h.arrival(), Gap: h.gap.length(now)}
		l.start(h, e.Reason, now)
		h.gap = gap{}
		l.tell(e)
	}
}

// arrival is how the claim came, for the event of its first start; later ones are renewals.
func (h *hold) arrival() string {
	if h.spent == 0 && h.gap != (gap{}) {
		if h.gap.wall.IsZero() {
			return ChangeTakeover
		}
		return ChangeHandOff
	}
	if h.spent == 0 {
		return ChangeNew
	}
	return ChangeRenewed
}

// lastRun is when the run before ended, as far as that is known.
func (h *hold) lastRun(now Instant) time.Time {
	if gap := h.gap.length(now); gap >= 0 {
		return time.Now().Add(-gap)
	}
	return h.stopped
}

func (g gap) length(now Instant) time.Duration {
	switch {
	case !g.wall.IsZero():
		return max(time.Since(g.wall), 0)
	case g.from != 0:
		return now.Sub(g.from)
	}
	return -1
}

// offer takes a newer spec in. One that its kind refuses changes nothing but what is told: the last good one goes on.
func (l *Loop) offer(h *hold, spec []byte, rev int64) {
	if rev <= h.specRev || rev <= h.refused.rev {
		return
	}
	if err := l.check(h.key, spec); err != nil {
		if h.specRev == 0 {
			h.specRev = rev
		}
		h.refused = refusal{stateInvalid, rev, err}
		l.tell(Event{Type: Invalid, Key: h.key, Err: err})
		l.keepSpec(h)
		return
	}
	// A spec put again while it is in trouble asks for it to be tried again now.
	_, failing := h.failing()
	h.changed = h.changed || h.run != nil && (failing || !sameWork(h.spec, spec))
	h.spec, h.specRev = append(json.RawMessage{}, spec...), rev
	h.refused = refusal{}
	h.trouble = trouble{}
	l.touch(h)
}

func (l *Loop) check(key Key, spec []byte) error {
	if _, err := ReadShared(spec); err != nil {
		return err
	}
	runner := l.cfg.Runners[key.Kind]
	if runner == nil {
		return errUnknownKind
	}
	return runner.Check(spec)
}

// sameWork tells whether two specs differ only in what planning reads, so that the runner need not be disturbed.
func sameWork(a, b []byte) bool {
	work := func(spec []byte) string {
		fields := map[string]any{}
		if json.Unmarshal(spec, &fields) != nil {
			return string(spec)
		}
		for _, shared := range []string{"paused", "weight", "requires", "prefers"} {
			delete(fields, shared)
		}
		text, _ := json.Marshal(fields) // of what was just decoded
		return string(text)
	}
	return work(a) == work(b)
}

// drop forgets a hold whose claim is no longer this node's and whose runner has returned.
func (l *Loop) drop(h *hold, now Instant) {
	if h.lease != nil {
		h.lease.claims--
		h.lease.idle = now
	}
	l.unmove(h)
	delete(l.holds, h.key)
}

func (h *hold) String() string { return fmt.Sprintf("%s@%d", h.key, h.epoch) }
