package pull

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

const (
	// soon is within which time a resource is polled that never was, or is overdue: each at its own time within it.
	soon = 10 * time.Second
	// Long is from which interval on the time of the last poll is worth a record: a poll that a takeover makes miss is then made up for.
	Long = 10 * time.Minute
)

// pace says when to poll one resource next. Not for concurrent use.
type pace struct {
	// failures is how many polls in a row were in vain.
	failures int

	spec  *Spec
	phase time.Duration // within the interval, counted from the beginning of Unix time
	early time.Duration // the same within soon
	past  *cluster.Condition
}

// newPace returns the pace of a run that begins now.
func newPace(s *Spec, c cluster.Claim, now time.Time) *pace {
	sum := sha256.Sum256([]byte(c.Key.String()))
	name := binary.BigEndian.Uint64(sum[:])
	interval := time.Duration(s.Interval)
	p := &pace{spec: s, past: c.Past, early: time.Duration(name % uint64(min(soon, interval)))}
	switch {
	case s.Align:
	case s.Splay:
		p.phase = time.Duration(name % uint64(interval))
	default:
		p.phase = time.Duration(now.UnixNano()) % interval
	}
	if c.Past != nil {
		p.failures = c.Past.Attempts
	}
	return p
}

// first returns when to poll for the first time in this run. last is when it was polled before, as far as is known; the zero time is never.
// A run that takes over a pause goes on with it.
func (p *pace) first(now, last time.Time) time.Time {
	interval := time.Duration(p.spec.Interval)
	longest := max(time.Duration(p.spec.Backoff.Max), time.Duration(p.spec.RetryAfterMax)) * 5 / 4
	switch {
	case p.past != nil && p.past.NextTry.After(now) && p.past.NextTry.Before(now.Add(longest)):
		return p.past.NextTry
	case !p.spec.Align && !p.spec.Splay:
		return now
	case last.IsZero() || interval >= Long && p.tick(last).Before(now):
		return now.Add(p.early)
	}
	return p.tick(now).Add(p.jitter())
}

// next returns when to poll after one that went well, at which the server may have asked to be left alone for a time from its beginning.
func (p *pace) next(began, now time.Time, asked time.Duration) time.Time {
	p.failures = 0
	if asked == 0 {
		return p.tick(now).Add(p.jitter())
	}
	// A server that asks for just the interval is not to cost a whole one more because of what chance has added to this time.
	earliest := began.Add(asked)
	spare := max(p.span(), min(time.Second, time.Duration(p.spec.Interval)/2))
	at := p.tick(later(now, earliest.Add(-spare))).Add(p.jitter())
	return later(at, earliest)
}

// failed returns when to poll after one that was in vain.
func (p *pace) failed(now time.Time, asked time.Duration) time.Time {
	pause := float64(p.spec.Interval) * math.Pow(p.spec.Backoff.Multiplier, float64(p.failures))
	pause = max(min(pause, float64(p.spec.Backoff.Max)), float64(p.spec.MinInterval))
	p.failures++
	wait := resources.Jitter(time.Duration(pause*3/4), time.Duration(pause))
	if asked > 0 { // many may have been told the same
		wait = max(wait, resources.Jitter(asked, asked+asked/4))
	}
	return now.Add(wait)
}

// tick returns the first time after a time at which the resource is due, but for the jitter.
func (p *pace) tick(after time.Time) time.Time {
	interval := int64(p.spec.Interval)
	since := after.UnixNano() - int64(p.phase)
	return time.Unix(0, int64(p.phase)+(since/interval+1)*interval)
}

func (p *pace) span() time.Duration { return time.Duration(p.spec.Jitter * float64(p.spec.Interval)) }

func (p *pace) jitter() time.Duration { return resources.Jitter(0, p.span()) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// asked returns for how long a server asks to be left alone, at most retry_after_max. What is malformed, negative or past counts for
// nothing.
func (s *Spec) asked(h http.Header, status int, now time.Time) time.Duration {
	most := time.Duration(s.RetryAfterMax)
	d := max(resources.RetryAfter(h, now, most), seconds(h.Get("X-Poll-Interval")))
	if h.Get("X-RateLimit-Remaining") == "0" || status == http.StatusTooManyRequests {
		d = max(d, reset(h.Get("X-RateLimit-Reset"), now))
	}
	if s.RespectCacheControl {
		d = max(d, fresh(h, now))
	}
	return min(d, most)
}

// seconds reads a number of seconds, as large as it may be.
func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n, 9e9) * float64(time.Second))
}

// reset reads X-RateLimit-Reset, which some give in seconds from now, others as Unix time.
func reset(s string, now time.Time) time.Duration {
	const longest = 366 * 24 * time.Hour
	d := seconds(s)
	if d <= longest {
		return d
	}
	return max(0, time.Unix(0, 0).Add(d).Sub(now))
}

// fresh is for how long an answer stays up to date (RFC 9111, section 4.2).
func fresh(h http.Header, now time.Time) time.Duration {
	life, known := time.Duration(0), false
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "no-cache", "no-store":
			return 0
		case "max-age":
			life, known = seconds(strings.Trim(value, `"`)), true
		}
	}
	if !known {
		expires, err := http.ParseTime(h.Get("Expires"))
		if err != nil {
			return 0
		}
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date // both by the server's clock
		}
		life = expires.Sub(now)
	}
	return max(0, life-seconds(h.Get("Age")))
}
