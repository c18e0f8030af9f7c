package resources

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// The ceiling doubles up to the maximum, and only what worked for long enough starts it anew. Seen to fail with StableAfter
// not asked.
func TestBackoff(t *testing.T) {
	b := Backoff{Initial: time.Second, Max: 10 * time.Second, StableAfter: time.Minute}
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		if got := b.Ceiling(); got != want*time.Second {
			t.Errorf("ceiling %d is %s, want %ds", i, got, want)
		}
		if d := b.Next(59 * time.Second); d < 0 || d > want*time.Second {
			t.Errorf("wait %d is %s", i, d)
		}
	}
	if d := b.Next(time.Minute); d > time.Second {
		t.Errorf("after a stable minute it waits %s", d)
	}
	if got := b.Ceiling(); got != 2*time.Second {
		t.Errorf("then the ceiling is %s", got)
	}
	huge := Backoff{Initial: 1 << 62, Max: 1<<63 - 1}
	for range 100 {
		if d := huge.Next(0); d < 0 {
			t.Fatalf("overflow: %s", d)
		}
	}
}

// A spec may say how fast the ceiling grows and how much of it is left to chance. Seen to fail with equal jitter from 0.
func TestBackoffAsTheSpecSays(t *testing.T) {
	b := Backoff{Initial: time.Second, Max: time.Minute, Multiplier: 3, Jitter: JitterNone}
	for i, want := range []time.Duration{1, 3, 9, 27, 60} {
		if d := b.Next(0); d != want*time.Second {
			t.Errorf("wait %d is %s, want %ds", i, d, want)
		}
	}
	for range 1000 {
		b := Backoff{Initial: time.Second, Max: time.Minute, Multiplier: 1, Jitter: JitterEqual, Failures: 5}
		if d := b.Next(0); d < 500*time.Millisecond || d > time.Second {
			t.Fatalf("equal jitter of 1s gave %s", d)
		}
	}
}

// The jitter is drawn from the whole range.
func TestFullJitter(t *testing.T) {
	var low, high int
	for range 1000 {
		switch d := Jitter(0, time.Second); {
		case d < 100*time.Millisecond:
			low++
		case d > 900*time.Millisecond:
			high++
		}
	}
	if low < 50 || high < 50 {
		t.Errorf("%d and %d of 1000 in the outer tenths", low, high)
	}
}

// Retry-After comes as seconds, as a date, or broken, and is bounded. Seen to fail (a second at a time, for who asks for 30 years)
// with a number that is out of range taken for none.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                               0,
		"30":                             30 * time.Second,
		"-1":                             0,
		"99999999":                       time.Hour,
		"999999999999999999999":          time.Hour,
		" 30 ":                           30 * time.Second,
		"30.5":                           0,
		"Friday, 02-Jan-26 03:04:35 GMT": 30 * time.Second,
		"Fri, 31 Dec 1999 23:59:59 GMT":  0,
		"soon":                           0,
		"Fri, 02 Jan 2026 03:04:35 GMT":  30 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT":  0,
		"Fri, 02 Jan 2099 03:04:00 GMT":  time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now, time.Hour); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// Wait ends with its context, for the context's cause.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := Wait(t.Context(), time.Minute); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		cause := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if err := Wait(ctx, time.Hour); !errors.Is(err, cause) {
			t.Errorf("ended with %v", err)
		}
	})
}
