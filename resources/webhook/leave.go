package webhook

import (
	"time"

	"golang.org/x/time/rate"
)

// leave is what a receiver said when it was asked whether it may be sent events.
type leave struct {
	every time.Duration // to leave between two requests, 0 if it doesn't say
	err   error
}

// mayBegin tells whether the receiver has allowed to be sent events, or need not be asked. It has it asked, now and then again if it
// refuses, and returns when that is next.
func (h *hold) mayBegin(now time.Time) (ok bool, wake time.Time) {
	if h.allowed || h.asking {
		return h.allowed, time.Time{}
	}
	if now.Before(h.askNext) {
		return false, h.askNext
	}
	h.asking = true
	h.group.Go(func() {
		every, err := h.sender.validate(h.claim.Held, h.claim.Epoch)
		h.leaves <- leave{every, err}
	})
	return false, time.Time{}
}

// answered takes in what the receiver said.
func (h *hold) answered(l leave) {
	h.asking, h.refusal = false, l.err
	h.allowed = l.err == nil
	h.askNext = time.Now().Add(time.Duration(h.spec.Breaker.OpenFor))
	if l.every > 0 {
		h.lane.pace.slow(l.every)
	}
}

// slow leaves at least so much between two attempts from now on.
func (p *pace) slow(every time.Duration) {
	if p.limit == nil || rate.Every(every) < p.limit.Limit() {
		p.limit = rate.NewLimiter(rate.Every(every), 1)
	}
}
