package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/state"
)

// hold is one webhook for the time of one run. One goroutine owns the lane; the log is read, the ledger written and the receiver called
// beside it.
type hold struct {
	*Runner
	ctx    context.Context // while it lasts, something new may be begun
	claim  cluster.Claim   // while claim.Held lasts, what was begun may go on
	spec   *spec
	sender *sender
	lane   *lane
	page   *state.Page

	source      source
	reading     context.Context
	stopReading context.CancelFunc
	unread      error // why the log can't be read for now
	unreadAgain time.Time
	patience    resources.Backoff

	// What is done beside the lane comes back here. There is room for all that can be under way, so that nothing waits for a run that
	// has ended.
	group   sync.WaitGroup
	fetched chan fetched
	written chan error
	refused chan error // why etcd does not take what is being written
	ended   chan attempt

	fetching bool
	begun    []*delivery // whose intent is not on record
	asked    []state.Ask // done, but neither on record nor answered
	askedTo  int64       // the revision of the last of these
	writing  bool        // a transaction is under way
	awaiting []*delivery // to be sent when it is done
	settling []string    // nothing more is to be written down of these when it is done
	shown    string
	doubt    int // these three were told to the meter
	off      bool
	breaker  string
	missed   error // events that were deleted before they were delivered; until the next one is

	unwritten error // why the transaction that is under way takes so long

	leaves  chan leave
	allowed bool // by the receiver
	asking  bool
	askNext time.Time
	refusal error
}

// attempt is how an attempt, or a probe, ended.
type attempt struct {
	delivery *delivery
	probe    bool
	known    knowledge // by a probe
	outcome  outcome
	unread   error     // why the event can't be read, so that nothing was sent
	happened time.Time // the event, as its publisher says; zero if nobody did
}

// run delivers until ctx ends. What was sent by then is waited for, as long as the webhook is held.
func (h *hold) run() error {
	defer h.count(0, false, "")
	defer h.group.Wait()
	h.begin()
	defer func() { h.stopReading() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := h.ctx.Done()
	for {
		now := time.Now()
		stopping := resources.Cause(h.ctx)
		if h.claim.Held.Err() != nil {
			return stopping
		}
		var wake time.Time
		if stopping == nil {
			wake = h.advance(now)
		} else {
			h.retreat(now)
		}
		h.write(now)
		if stopping != nil && h.lane.idle() && !h.writing {
			return stopping
		}
		h.show()
		timer.Reset(until(wake, now))
		var err error
		select {
		case f := <-h.fetched:
			err = h.take(f)
		case err = <-h.written:
			err = h.wrote(err)
		case h.unwritten = <-h.refused:
		case e := <-h.ended:
			h.end(e)
		case l := <-h.leaves:
			h.answered(l)
		case <-h.page.Asked():
			h.ask()
		case <-timer.C:
		case <-stop:
			stop = nil
		case <-h.claim.Held.Done():
		}
		if err != nil {
			return err
		}
	}
}

// advance begins what may be begun, and returns when to look again if nothing happens before.
func (h *hold) advance(now time.Time) (wake time.Time) {
	h.read(now)
	ok, wake := h.mayBegin(now)
	var begun []*delivery
	if ok {
		begun, wake = h.lane.begin(now)
	}
	for _, d := range begun {
		if d.dir == doubtDir {
			h.probe(d)
			continue
		}
		h.begun = append(h.begun, d)
	}
	for _, at := range []time.Time{h.lane.lazily(), h.lane.expire(now), h.unreadAgain} {
		if wake.IsZero() || !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	return wake
}

// retreat takes back what was not sent yet, so that the next holder sends it at once instead of finding it in doubt.
func (h *hold) retreat(now time.Time) {
	for _, d := range h.begun {
		h.lane.withdraw(d, now)
	}
	h.begun = nil
}

// write writes down what is to be, one transaction at a time: what comes meanwhile goes into the next.
func (h *hold) write(now time.Time) {
	if h.writing {
		return
	}
	r := h.lane.record(now)
	if len(r.changes) == 0 && len(h.asked) == 0 {
		h.settled(r.settled)
		return
	}
	h.writing, h.settling = true, r.settled
	var asked []state.Ask
	if r.cursor {
		h.awaiting, h.begun = h.begun, nil
	}
	if len(h.lane.changes) == 0 {
		asked, h.asked = h.asked, nil
	}
	h.group.Go(func() {
		err := h.insist(func() error { return h.page.Write(h.claim.Held, r.changes...) })
		for _, a := range asked {
			if err == nil {
				err = h.insist(func() error { return h.page.Answer(h.claim.Held, a) })
			}
		}
		h.written <- err
	})
}

// refusedPause is how long to wait before what etcd refused is written again.
const refusedPause = time.Second

// insist writes again what etcd refuses, as it does while it is full: nothing is sent meanwhile, and the outcomes of what was sent are
// known here alone. To end the run would leave them in doubt, so that it does only when the webhook is to go.
func (h *hold) insist(write func() error) error {
	for {
		err := write()
		if !errors.Is(err, cluster.ErrRefused) {
			return err
		}
		select {
		case h.refused <- err:
		default: // the one before is not taken in yet
		}
		if resources.Wait(h.ctx, refusedPause) != nil {
			return err
		}
	}
}

// wrote sends what is on record now.
func (h *hold) wrote(err error) error {
	awaiting, settling := h.awaiting, h.settling
	h.writing, h.awaiting, h.settling, h.unwritten = false, nil, nil, nil
	if len(h.refused) > 0 {
		<-h.refused // from before it was taken
	}
	if err != nil {
		return fmt.Errorf("write down what is delivered: %w", err)
	}
	h.settled(settling)
	now := time.Now()
	for _, d := range awaiting {
		if resources.Cause(h.ctx) != nil {
			h.lane.withdraw(d, now)
			continue
		}
		h.send(d)
	}
	return nil
}

// until is how long to sleep: an hour when there is nothing to wake up for.
func until(wake, now time.Time) time.Duration {
	if wake.IsZero() {
		return time.Hour
	}
	return max(wake.Sub(now), 0)
}
