package redis

import (
	"errors"
	"os"
	"time"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// pace is how soon to try again.
type pace int

const (
	paceBackoff pace = iota // full jitter, growing with each failure in a row
	paceMax                 // reconnect.max: trying again will hardly help
	paceAuth                // reconnect.on_auth_failure
)

// ended says why an attempt, a connection or a subscription is over, and what follows from it.
type ended struct {
	state  string // to report while waiting
	pace   pace
	result string // of an attempt to connect: one of resources.ConnectResults
	err    error
}

// judge says what follows from an error.
func judge(err error) *ended {
	e := &ended{state: resources.StateBackingOff, result: resources.ConnectFailed, err: err}
	code := redisconn.Code(err)
	switch {
	case redisconn.IsLogin(err) || code == "NOPERM":
		e.state, e.pace, e.result = resources.StateAuthFailed, paceAuth, resources.ConnectAuth
	case resources.IsBlocked(err):
		e.pace, e.result = paceMax, resources.ConnectBlocked
	case code == "WRONGTYPE":
		e.pace, e.result = paceMax, resources.ConnectRejected
	case code == "LOADING" || code == "MASTERDOWN" || code == "CLUSTERDOWN" || code == "BUSY":
		e.result = resources.ConnectThrottled
	case code != "":
		e.result = resources.ConnectRejected
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.state = resources.StateSilent
	}
	return e
}

// delay is how long to wait before the next attempt, after something that had worked for a while. All delays are random, so that many
// which lost their connections together don't come back together.
func (r *reconnectSpec) delay(why *ended, backoff *resources.Backoff, worked time.Duration) time.Duration {
	d := backoff.Next(worked)
	switch why.pace {
	case paceMax:
		longest := time.Duration(r.Max)
		d = resources.Jitter(longest/2, longest)
	case paceAuth:
		usual := time.Duration(r.OnAuthFailure)
		d = resources.Jitter(usual-usual/10, usual+usual/10)
	}
	return d
}

// backoff returns one that goes on after so many failures in a row.
func (r *reconnectSpec) backoff(failures int) resources.Backoff {
	return resources.Backoff{
		Initial: time.Duration(r.Initial), Max: time.Duration(r.Max), StableAfter: time.Duration(r.StableAfter), Failures: failures,
	}
}
