package webhook

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/drm-cluster/drm/resources"
)

// pace says when the receiver may be sent the next request: it knows the rate limit, what the receiver asked for, and the
// breaker, which after too many failures in a row lets one attempt through at a time, with pauses between.
type pace struct {
	limit     *rate.Limiter // nil: none
	breaker   breakerSpec
	rest      time.Time // the receiver asked not to be called before
	failures  int       // in a row
	openUntil time.Time
	since     time.Time // of the first failure since the last delivery, under whichever holder
}

func newPace(s *spec) pace {
	p := pace{breaker: s.Breaker}
	if s.RateLimit.Rate > 0 {
		every := time.Duration(s.RateLimit.Per) / time.Duration(s.RateLimit.Rate)
		p.limit = rate.NewLimiter(rate.Every(every), s.RateLimit.Burst)
	}
	return p
}

// open tells whether the breaker is.
func (p *pace) open() bool { return p.breaker.Failures > 0 && p.failures >= p.breaker.Failures }

// state is how the breaker is, in the words of the meter.
func (p *pace) state(now time.Time) string {
	switch {
	case !p.open():
		return resources.BreakerClosed
	case now.Before(p.openUntil):
		return resources.BreakerOpen
	}
	return resources.BreakerTrying
}

// next says from when another attempt may begin while active are under way; never if it is to wait for one of them to end.
func (p *pace) next(now time.Time, active int) (at time.Time, never bool) {
	at = p.rest
	if p.open() {
		if active > 0 {
			return at, true
		}
		at = laterOf(at, p.openUntil)
	}
	if p.limit != nil {
		if missing := 1 - p.limit.TokensAt(now); missing > 0 {
			at = laterOf(at, now.Add(time.Duration(missing/float64(p.limit.Limit())*float64(time.Second))+time.Microsecond))
		}
	}
	return at, false
}

// begun counts an attempt.
func (p *pace) begun(now time.Time) {
	if p.limit != nil {
		p.limit.AllowN(now, 1)
	}
}

// ended learns from the outcome of an attempt.
func (p *pace) ended(o outcome, now time.Time) {
	if o.retryAfter > 0 {
		p.rest = laterOf(p.rest, now.Add(o.retryAfter))
	}
	switch {
	case o.verdict == delivered:
		p.failures, p.since = 0, time.Time{}
	case o.verdict == unfit, o.verdict == refused && !ailing(o.status):
		// It is about this event alone.
	default:
		if p.failures++; p.since.IsZero() {
			p.since = now
		}
		if o.status == 401 || o.status == 403 {
			p.failures = max(p.failures, p.breaker.Failures) // no other event will fare better
		}
		if p.open() {
			p.openUntil = now.Add(time.Duration(p.breaker.OpenFor))
		}
	}
}

// ailing tells whether a status is about the receiver rather than about the event.
func ailing(status int) bool {
	switch status {
	case 401, 403, 408, 410, 425, 429:
		return true
	}
	return status >= 500 || status < 400
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
