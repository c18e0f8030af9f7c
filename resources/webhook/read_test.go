package webhook

import (
	"testing"
	"time"
)

// An event that can't be read again for now is tried a moment later, as often as it takes: that uses up no attempts, and opens no
// breaker. Seen to fail with postpone counting the attempt, and (the breaker) with the outcome taken for one that was not sent.
func TestALogThatIsAwayCountsForNothing(t *testing.T) {
	b := newBench(t, func(s *spec) { alone(s); s.Retry.Schedule = s.Retry.Schedule[:1]; s.Breaker.Failures = 2 })
	for i := range 10 {
		ref := b.begins()[0]
		b.lane.postpone(b.lane.active[ref], errTest, b.now)
		b.record()
		dir, e := b.entry(ref)
		if dir != waitingDir || e.Attempt != 0 || !e.Next.After(b.now) || b.lane.pace.open() {
			t.Fatalf("after %d times it is in %q after %d attempts, next at %v; the breaker is open: %t", i+1, dir, e.Attempt, e.Next, b.lane.pace.open())
		}
		b.lane.queue = nil
		b.now = b.now.Add(time.Hour)
	}
	ref := b.begins()[0]
	b.ends(ref, outcome{verdict: delivered, status: 200})
	if dir, _ := b.entry(ref); dir != "" || !b.forgotten[ref] {
		t.Fatalf("delivered, it is in %q; told to be settled: %t", dir, b.forgotten[ref])
	}
}
