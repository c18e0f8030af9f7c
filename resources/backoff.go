package resources

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Backoff says how long to wait before the next attempt: a random part of a ceiling that doubles with each failure
// in a row ("full jitter", Marc Brooker, AWS Architecture Blog, 2015), so that many who failed at once don't
// come back at once. The zero value of the count is a fresh start. Not for concurrent use.
type Backoff struct {
	Initial time.Duration // ceiling after the first failure
	Max     time.Duration // the greatest ceiling
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
	return Jitter(0, ceiling)
}

// Reset makes the next failure the first.
func (b *Backoff) Reset() { b.Failures = 0 }

// Ceiling is the longest that Next would wait now.
func (b *Backoff) Ceiling() time.Duration {
	ceiling := b.Initial
	for range b.Failures {
		if ceiling >= b.Max/2 {
			return b.Max
		}
		ceiling *= 2
	}
	return min(ceiling, b.Max)
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
