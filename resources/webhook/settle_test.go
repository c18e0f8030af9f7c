package webhook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

// What becomes of an event, for each outcome in each mode. Seen to fail with each case of ended, refused and doubted left out in turn.
func TestWhatBecomesOfAnAttempt(t *testing.T) {
	status := func(n int) outcome { return outcome{verdict: refused, status: n, err: fmt.Errorf("it answered %d", n)} }
	abort := status(500)
	abort.word = wordAbort
	lost := outcome{verdict: inDoubt, err: errTest}
	for _, c := range []struct {
		mode, policy string
		outcome      outcome
		dir, fate    string
	}{
		{modeOnce, doubtHold, outcome{verdict: delivered, status: 200}, "", resources.FateDelivered},
		{modeOnce, doubtHold, outcome{verdict: notSent, err: errTest}, waitingDir, resources.FateWaiting},
		{modeOnce, doubtHold, status(503), deadDir, resources.FateDead},
		{modeOnce, doubtHold, lost, doubtDir, resources.FateInDoubt},
		{modeOnce, doubtRetry, lost, doubtDir, resources.FateInDoubt},
		{modeOnce, doubtDrop, lost, "", resources.FateDropped},
		{modeEffectively, doubtHold, status(503), waitingDir, resources.FateWaiting},
		{modeEffectively, doubtHold, status(401), waitingDir, resources.FateWaiting},
		{modeEffectively, doubtHold, status(404), deadDir, resources.FateDead},
		{modeEffectively, doubtHold, status(302), deadDir, resources.FateDead},
		{modeEffectively, doubtHold, abort, deadDir, resources.FateDead},
		{modeEffectively, doubtHold, lost, doubtDir, resources.FateInDoubt},
		{modeEffectively, doubtRetry, lost, waitingDir, resources.FateWaiting},
		{modeEffectively, doubtProbe, lost, doubtDir, resources.FateInDoubt},
		{modeEffectively, doubtHold, outcome{verdict: unfit, err: errTest}, deadDir, resources.FateDead},
		{modeAtLeast, doubtHold, lost, waitingDir, resources.FateWaiting},
		{modeAtLeast, doubtHold, status(503), waitingDir, resources.FateWaiting},
	} {
		b := newBench(t, func(s *spec) { alone(s); s.Delivery, s.InDoubt = c.mode, c.policy })
		ref := b.begins()[0]
		b.ends(ref, c.outcome)
		dir, e := b.entry(ref)
		if dir != c.dir || b.fates[ref] != c.fate {
			t.Errorf("%s, %s, %+v: is in %q, %s; want %q, %s", c.mode, c.policy, c.outcome, dir, b.fates[ref], c.dir, c.fate)
		}
		if dir != "" && !strings.Contains(e.Reason, c.outcome.err.Error()) {
			t.Errorf("%s, %s, %+v: the reason on record is %q", c.mode, c.policy, c.outcome, e.Reason)
		}
	}
}

// Attempts follow the schedule, then the event is dead. Seen to fail with again going on for ever, and with pause taking the step
// after.
func TestScheduleIsFollowed(t *testing.T) {
	b := newBench(t, func(s *spec) {
		alone(s)
		s.Retry.Schedule = []cluster.Duration{cluster.Duration(time.Minute), cluster.Duration(time.Hour)}
		s.Breaker.Failures = 0
	})
	b.lane.queue = b.lane.queue[:1]
	failure := outcome{verdict: refused, status: 500, err: errTest}
	for _, pause := range []time.Duration{time.Minute, time.Hour} {
		ref := b.begins()[0]
		b.ends(ref, failure)
		_, e := b.entry(ref)
		if got := e.Next.Sub(b.now); got < pause*8/10 || got > pause*12/10 {
			t.Errorf("tried again after %v; want %v, give or take a fifth", got, pause)
		}
		b.now = e.Next.Add(-time.Millisecond)
		if early := b.begins(); len(early) > 0 {
			t.Error("tried again before its time")
		}
		b.now = e.Next
	}
	ref := b.begins()[0]
	b.ends(ref, failure)
	if dir, e := b.entry(ref); dir != deadDir || e.Attempt != 3 {
		t.Errorf("after three attempts it is in %q with %d", dir, e.Attempt)
	}
}

// What the receiver asked for slows all that goes to it, not the one event alone. Seen to fail with rest left out of next.
func TestRetryAfterSlowsTheLane(t *testing.T) {
	b := newBench(t, alone)
	ref := b.begins()[0]
	b.ends(ref, outcome{verdict: refused, status: 429, retryAfter: time.Hour, err: errTest})
	b.now = b.now.Add(time.Hour - time.Second)
	if refs := b.begins(); len(refs) > 0 {
		t.Errorf("%v was sent before the hour was over", refs)
	}
	b.now = b.now.Add(time.Second)
	if refs := b.begins(); len(refs) != 1 || refs[0] != ref {
		t.Errorf("after the hour %v was sent; want %s, which is due", refs, ref)
	}
}

// After failures in a row nothing is sent for a while, then one attempt at a time, and everything once one was delivered. An answer
// about one event doesn't count. Seen to fail with open_for ignored, with the active ones not looked at, and with ailing always true.
func TestBreaker(t *testing.T) {
	b := newBench(t, func(s *spec) { s.Breaker.Failures = 3; s.Retry.Schedule[0] = cluster.Duration(24 * time.Hour) })
	for _, ref := range b.begins() {
		b.ends(ref, outcome{verdict: refused, status: 404, err: errTest})
	}
	for _, ref := range b.begins() {
		b.ends(ref, outcome{verdict: notSent, err: errTest})
	}
	if refs := b.begins(); len(refs) > 0 || b.lane.pace.state(b.now) != resources.BreakerOpen {
		t.Errorf("%v was sent while the breaker was open; it is %s", refs, b.lane.pace.state(b.now))
	}
	b.now = b.now.Add(30 * time.Second)
	refs := b.begins()
	if len(refs) != 1 || len(b.begins()) > 0 {
		t.Fatalf("%v and more were sent to try it; want one", refs)
	}
	before := b.lane.pace.state(b.now)
	b.ends(refs[0], outcome{verdict: delivered, status: 200})
	if after := b.lane.pace.state(b.now); before != resources.BreakerTrying || after != resources.BreakerClosed {
		t.Errorf("the breaker is %s while it lets one through, and %s after that", before, after)
	}
	if refs := b.begins(); len(refs) != 3 {
		t.Errorf("%v was sent after the breaker had closed; want three at a time", refs)
	}
}

// Attempts begin no faster than the rate limit. Seen to fail with the limiter not asked.
func TestRateLimit(t *testing.T) {
	b := newBench(t, func(s *spec) { s.Concurrency = 100; s.RateLimit.Rate, s.RateLimit.Burst = 2, 3 })
	if refs := b.begins(); len(refs) != 3 {
		t.Errorf("%d began at once; want the burst of 3", len(refs))
	}
	b.now = b.now.Add(time.Second)
	if refs := b.begins(); len(refs) != 2 {
		t.Errorf("%d began in the next second; want 2", len(refs))
	}
	_, wake := b.lane.begin(b.now)
	if pause := wake.Sub(b.now); pause < 400*time.Millisecond || pause > 600*time.Millisecond {
		t.Errorf("the next one may begin in %v; want half a second", pause)
	}
}

// A disabled webhook sends nothing and forgets nothing, whoever holds it, until its spec is put again: then what waits is sent at once.
// Seen to fail with off not written down, with the revision of the spec not compared, with the refused event not kept, and with takeover
// leaving what waits to its time.
func TestDisabledWebhookKeepsEverything(t *testing.T) {
	b := newBench(t, alone)
	ref := b.begins()[0]
	b.ends(ref, outcome{verdict: refused, status: 410, word: wordDisable, err: errTest})
	b.holdAgain()
	b.calm = true
	if b.lane.off == nil || b.lane.hungry() || len(b.begins()) > 0 {
		t.Fatal("the next holder goes on")
	}
	if dir, _ := b.entry(ref); dir != waitingDir {
		t.Errorf("the event is in %q; want waiting", dir)
	}
	b.put++
	b.holdAgain()
	b.record()
	if refs := b.begins(); len(refs) != 1 || refs[0] != ref {
		t.Errorf("%v was sent after the spec was put again; want %s", refs, ref)
	}
	b.holdAgain()
	if b.lane.off != nil || b.lane.stale && b.lane.pace.since != (time.Time{}) {
		t.Error("the holder after that knows nothing of it")
	}
}

// A webhook is disabled when it has failed for long enough, whoever held it meanwhile. Seen to fail with a new holder counting anew.
func TestFailingForLongDisables(t *testing.T) {
	b := newBench(t, func(s *spec) { alone(s); s.Disable.FailingFor = cluster.Duration(time.Hour); s.Breaker.Failures = 0 })
	b.ends(b.begins()[0], outcome{verdict: notSent, err: errTest})
	b.holdAgain()
	b.now = b.now.Add(2 * time.Hour)
	b.ends(b.begins()[0], outcome{verdict: notSent, err: errTest})
	if b.lane.off == nil {
		t.Error("not disabled after two hours without a delivery; disable.failing_for is one")
	}
}

// Dead letters are forgotten when they are too old or too many. Seen to fail with either bound left out.
func TestDeadLettersAreForgotten(t *testing.T) {
	b := newBench(t, func(s *spec) { alone(s); s.DeadLetter = deadLetterSpec{Retention: cluster.Duration(time.Hour), Max: 3} })
	for range 5 {
		b.ends(b.begins()[0], outcome{verdict: refused, status: 400, err: errTest})
		b.now = b.now.Add(time.Minute)
	}
	next := b.lane.expire(b.now)
	b.record()
	if dir, _ := b.entry(b.ref(2)); len(b.lane.dead) != 3 || dir != deadDir {
		t.Errorf("%d dead letters are left; want the last 3", len(b.lane.dead))
	}
	b.now = next
	b.lane.expire(b.now)
	b.record()
	if dir, _ := b.entry(b.ref(2)); len(b.lane.dead) != 2 || dir != "" {
		t.Errorf("%d dead letters are left after an hour; want 2", len(b.lane.dead))
	}
}
