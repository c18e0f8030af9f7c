package cluster

import (
	"testing"
	"time"
)

// Seen to fail: with the margin's second bound left out, TTL 30 s breaks "two windows".
func TestTimingKeepsItsBounds(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Second, 5 * time.Second, 8 * time.Second, 30 * time.Second, time.Hour} {
		for _, election := range []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second} {
			for _, stop := range []time.Duration{200 * time.Millisecond, time.Second} {
				tm := newTiming(ttl, election, stop)
				switch {
				case tm.ttl < ttl || tm.ttl%time.Second != 0:
					t.Errorf("ttl %v: became %v", ttl, tm.ttl)
				case tm.margin < 2*election+stop:
					t.Errorf("%+v: the margin is below two elections and the stop budget", tm)
				case 2*tm.window > tm.ttl+2*election:
					t.Errorf("%+v: two windows don't fit into what a new leader grants", tm)
				case tm.window < stop+breath:
					t.Errorf("%+v: no time is left to run", tm)
				case tm.useful+tm.window > blindFor(&peer{Node: Node{TTL: Duration(tm.ttl)}})*99/100:
					t.Errorf("%+v: a node that sees nothing acts for longer than others wait", tm)
				}
			}
		}
	}
}

func TestTimingDefaults(t *testing.T) {
	tm := newTiming(8*time.Second, time.Second, time.Second)
	if tm.ttl != 8*time.Second || tm.margin != 3*time.Second || tm.renew != 500*time.Millisecond {
		t.Errorf("defaults are %+v, want TTL 8 s, margin 3 s, a renewal each 0.5 s", tm)
	}
	if window := TrustWindow(8*time.Second, time.Second, time.Second); window != 3920*time.Millisecond || RenewEvery(8*time.Second) != tm.renew {
		t.Errorf("runners go on for %v after a renewal, which is sent each %v", window, RenewEvery(8*time.Second))
	}
}

// A TTL above the one asked for comes from a long election timeout, and the margin must follow it.
func TestTimingFollowsALongerGrant(t *testing.T) {
	tm := newTiming(8*time.Second, time.Second, time.Second)
	if got, again := tm.granted(8 * time.Second); again || got != tm {
		t.Errorf("granted what was asked for: %+v, ask again %v", got, again)
	}
	got, again := tm.granted(15 * time.Second) // etcd with --election-timeout=10000
	if !again || got.election != 10*time.Second || got.ttl <= 15*time.Second {
		t.Errorf("granted 15 s for 8 s: %+v, ask again %v; want a longer TTL for an election of 10 s", got, again)
	}
	if last, again := got.granted(got.ttl); again || last != got {
		t.Errorf("granted the longer TTL: %+v, ask again %v", last, again)
	}
}
