package resources

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Which part of the ceiling a Backoff waits.
const (
	JitterFull  = "full"  // a random one: many who failed at once don't come back at once
	JitterEqual = "equal" // half of it, and a random part of the other half
	JitterNone  = "none"  // all of it
)

// Backoff says how long to wait before the next attempt: a random part of a ceiling that doubles with each failure
// in a row ("full jitter", Marc Brooker, AWS Architecture Blog, 2015), so that many who failed at once don't
// come back at once. The zero value of the count is a fresh start. Not for concurrent use.
type Backoff struct {
	Initial time.Duration // ceiling after the first failure
	Max     time.Duration // the greatest ceiling
	// Multiplier is by how much the ceiling grows; 0 is 2.
	Multiplier float64
	Jitter     string // one of the Jitter constants; empty: full
	// StableAfter is how long something must have worked for its next failure to count as the first. With
	// less, a server that accepts and hangs up at once would be called again and again at full speed.
	StableAfter time.Duration
	// Failures is how many there were in a row. Whoever goes on where another left off sets it before the first call.
	Failures int
}

// Next counts a failure of something that had worked for a while (0: not at all) and returns how long to wait.
func (b *Backoff) Next(worked time.Duration) time.Duration {
	if b.StableAfter > 0 && worked >= b.StableAfter {
		b.Failures = 0
	}
	ceiling := b.Ceiling()
	b.Failures++
	switch b.Jitter {
	case JitterNone:
		return ceiling
	case JitterEqual:
		return Jitter(ceiling/2, ceiling)
	}
	return Jitter(0, ceiling)
}

// Reset makes the next failure the first.
func (b *Backoff) Reset() { b.Failures = 0 }

// Ceiling is the longest that Next would wait now.
func (b *Backoff) Ceiling() time.Duration {
	ceiling, times := float64(b.Initial), cmp.Or(b.Multiplier, 2)
	for range b.Failures {
		if ceiling *= times; ceiling >= float64(b.Max) {
			return b.Max
		}
		if times == 1 {
			break
		}
	}
	return min(time.Duration(ceiling), b.Max)
}

// Jitter returns a random time from low to high.
func Jitter(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + rand.N(high-low)
}

// RetryAfter reads the header Retry-After, in seconds or as a date. It is 0 if there is none, it is in the past or
// malformed, and most at most: a server can't make us wait for longer.
func RetryAfter(h http.Header, now time.Time, most time.Duration) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(s, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(most/time.Second))) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), most)
}
