package websocket

import (
	"fmt"
	"slices"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// pace is how soon to connect again.
type pace int

const (
	paceBackoff pace = iota // full jitter, growing with each failure in a row
	paceNow                 // a renewal that we wanted
	paceSlow                // 5 to 30 s: the other side restarts, is busy, or dislikes what we do
	paceMax                 // reconnect.max: trying again will hardly help
	paceAuth                // reconnect.on_auth_failure
	paceNever               // not until the spec changes
)

// ended says why an attempt or a connection is over, and what follows from it.
type ended struct {
	state   string        // to report while waiting
	pace    pace          //
	atLeast time.Duration // the other side asked for it
	result  string        // of an attempt to connect: one of resources.ConnectResults
	err     error
}

// Error tells why.
func (e *ended) Error() string { return e.err.Error() }

// Unwrap returns why.
func (e *ended) Unwrap() error { return e.err }

func end(p pace, format string, args ...any) *ended {
	return &ended{state: resources.StateBackingOff, pace: p, err: fmt.Errorf(format, args...)}
}

// pace tells how soon to connect again after the other side closed with a code (RFC 6455, section 7.4). What the
// spec says comes first. A violation of the protocol (1002, 1003, 1007, 1009, 1010) will most likely happen
// again, so those wait long.
func (s *spec) pace(code int) pace {
	switch {
	case slices.Contains(s.CloseCodes.Fatal, code):
		return paceNever
	case slices.Contains(s.CloseCodes.Slow, code):
		return paceSlow
	}
	switch code {
	case 1002, 1003, 1007, 1009, 1010:
		return paceMax
	}
	return paceBackoff
}

// delay is how long to wait before connecting again, after a connection that had worked for a while. All delays are
// random, so that many resources which lost their connections together don't come back together.
func (s *spec) delay(why *ended, backoff *resources.Backoff, worked time.Duration) time.Duration {
	d := backoff.Next(worked)
	switch why.pace {
	case paceNow:
		backoff.Reset()
		return 0
	case paceSlow:
		d = max(d, resources.Jitter(5*time.Second, 30*time.Second))
	case paceMax:
		longest := time.Duration(s.Reconnect.Max)
		d = resources.Jitter(longest/2, longest)
	case paceAuth:
		usual := time.Duration(s.Reconnect.OnAuthFailure)
		d = resources.Jitter(usual-usual/10, usual+usual/10)
	}
	if d < why.atLeast {
		d = why.atLeast + resources.Jitter(0, time.Duration(s.Reconnect.Initial))
	}
	return d
}
