package resources

import "time"

// What an attempt to deliver an event came to.
const (
	Attempt2xx     = "2xx"
	Attempt3xx     = "3xx" // or another answer that HTTP doesn't foresee
	Attempt4xx     = "4xx" // but for 429
	Attempt429     = "429"
	Attempt5xx     = "5xx"
	AttemptNotSent = "not_sent" // certainly not a byte has left
	AttemptInDoubt = "in_doubt" // it may have arrived
)

// AttemptResults returns the results that a Meter hears of.
func AttemptResults() []string {
	return []string{Attempt2xx, Attempt3xx, Attempt4xx, Attempt429, Attempt5xx, AttemptNotSent, AttemptInDoubt}
}

// What becomes of an event.
const (
	FateDelivered = "delivered"
	FateWaiting   = "waiting"       // for another attempt
	FateInDoubt   = "in_doubt"      // it may have arrived, and is kept until that is known
	FateDead      = "dead_lettered" // given up, and kept for a person
	FateDropped   = "dropped"       // forgotten, as the spec or an operator says
)

// Fates returns the fates that a Meter hears of.
func Fates() []string {
	return []string{FateDelivered, FateWaiting, FateInDoubt, FateDead, FateDropped}
}

// Why an event was deleted from the log.
const (
	TrimPassed       = "passed"        // every webhook has passed it
	TrimMaxRetention = "max_retention" // some webhook has not, and it is too old
	TrimMaxEvents    = "max_events"    // some webhook has not, and there are too many
)

// TrimReasons returns the reasons that a Meter hears of.
func TrimReasons() []string { return []string{TrimPassed, TrimMaxRetention, TrimMaxEvents} }

// Trim counts n events that were deleted from the log.
func (m *Meter) Trim(reason string, n int) {
	if m.Trimmed != nil && n > 0 {
		m.Trimmed(reason, n)
	}
}

// Attempt tells of one attempt to deliver an event.
func (m *Meter) Attempt(result string, took time.Duration) {
	if m.Attempts != nil {
		m.Attempts(result, took)
	}
}

// Delivery counts what became of an event.
func (m *Meter) Delivery(fate string) {
	if m.Deliveries != nil {
		m.Deliveries(fate)
	}
}

// Lag tells how long after it happened an event was delivered.
func (m *Meter) Lag(d time.Duration) {
	if m.Lags != nil {
		m.Lags(max(d, 0))
	}
}

// InDoubt adds n to the deliveries that are in doubt.
func (m *Meter) InDoubt(n int) {
	if m.Doubts != nil && n != 0 {
		m.Doubts(n)
	}
}

// Disable counts a webhook that was disabled, or is no longer.
func (m *Meter) Disable(off bool) {
	switch {
	case m.Disabled == nil:
	case off:
		m.Disabled(1)
	default:
		m.Disabled(-1)
	}
}

// The states of a webhook's breaker.
const (
	BreakerClosed = "closed" // events are sent as they come
	BreakerOpen   = "open"   // after too many failures in a row nothing is sent for a while
	BreakerTrying = "trying" // one attempt at a time, to see whether it fares better
)

// BreakerStates returns the states that a Meter hears of.
func BreakerStates() []string { return []string{BreakerClosed, BreakerOpen, BreakerTrying} }

// Breaker moves the breaker of one webhook from a state to another; "" is outside.
func (m *Meter) Breaker(from, to string) {
	if m.Breakers == nil || from == to {
		return
	}
	if from != "" {
		m.Breakers(from, -1)
	}
	if to != "" {
		m.Breakers(to, 1)
	}
}

// Gap counts that events were deleted before they were delivered.
func (m *Meter) Gap() {
	if m.Gaps != nil {
		m.Gaps()
	}
}
