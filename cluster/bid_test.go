package cluster

import (
	"testing"
	"time"
)

// few is a view of node a in a cluster of a, b and c at rest, which has some resources to claim.
func few(t *testing.T, resources int) (*world, *view, Instant) {
	t.Helper()
	w, v, now := newWorld(), newView("a"), Instant(time.Hour)
	w.listTo(v, 100, now)
	for _, id := range []string{"a", "b", "c"} {
		w.join(Node{ID: id})
	}
	w.feed(v, w.rev, 1, now)
	now = now.Add(time.Second)
	for i := range resources {
		w.put(ResourcePath(key(i)), spec(1), 0)
	}
	w.feed(v, w.rev, 1, now)
	return w, v, now
}

// While the own watch stalls, others seem to claim nothing, which says nothing about them. Seen to fail with lateness measured by the
// clock in place of what the view is proven to have seen.
func TestNobodySeemsLateWhileTheWatchStalls(t *testing.T) {
	_, v, now := few(t, 30)
	own := len(v.dueBids(now, 100))
	now = now.Add(time.Minute)
	if got := len(v.dueBids(now, 100)); got != own {
		t.Errorf("after a minute without news %d bids are due, %d of them own", got, own)
	}
	v.fold(Batch{Rev: v.rev, Fresh: now}, now, ignore)
	if got := len(v.dueBids(now, 100)); got != 30 {
		t.Errorf("after a minute proven to be without claims %d bids are due, want all 30", got)
	}
}

// What was asked for is not asked for again before the view has reached the answer. Seen to fail with asked reset by the answer.
func TestNoBidTwice(t *testing.T) {
	w, v, now := few(t, 30)
	due := v.dueBids(now, 100)
	for _, s := range due {
		s.asked = true
	}
	if again := v.dueBids(now, 100); len(again) > 0 {
		t.Errorf("%d resources are asked for twice", len(again))
	}
	w.claim("b", due[0].key)
	for _, s := range due {
		v.bidAnswered(s, time.Millisecond, w.rev)
	}
	if again := v.dueBids(now, 100); len(again) > 0 {
		t.Errorf("%d resources are asked for before the view has reached the answer", len(again))
	}
	w.feed(v, w.rev, 1, now)
	v.dirty = false // what b did was a surprise, but is not the matter here
	v.bids.settled = now
	if again := v.dueBids(now, 100); len(again) != len(due)-1 {
		t.Errorf("%d resources are asked for once the view has reached the answer, want %d", len(again), len(due)-1)
	}
}

// The slowest answers of late say how long others may take. Seen to fail with the spans never passing.
func TestLatenessFollowsAnswers(t *testing.T) {
	_, v, now := few(t, 1)
	answer := func(took, after time.Duration) time.Duration {
		now = now.Add(after)
		v.fold(Batch{Rev: v.rev, Fresh: now}, now, ignore)
		v.bidAnswered(v.slots[key(0)], took, v.rev)
		return v.lateAfter()
	}
	if got := answer(2*time.Second, 0); got != 8*time.Second {
		t.Errorf("after an answer that took 2s, others are late after %v", got)
	}
	answer(time.Millisecond, 11*time.Second)
	if got := answer(time.Millisecond, 11*time.Second); got != leastLate {
		t.Errorf("long after that, others are late after %v", got)
	}
}

// Nodes that keep joining can't put off all bids for ever. Seen to fail without settleEnd.
func TestJoinsDontPutOffBidsForEver(t *testing.T) {
	w, v, now := few(t, 3)
	for i := range 20 {
		w.join(Node{ID: string(rune('d' + i))})
		w.feed(v, w.rev, 1, now)
		now = now.Add(100 * time.Millisecond)
		if v.replanDue(now) {
			if i < 4 {
				t.Errorf("all plan anew %v after the first join", time.Duration(i+1)*100*time.Millisecond)
			}
			return
		}
	}
	t.Error("nobody has planned for two seconds")
}

// The loop is told when time alone makes something due. Seen to fail with the rest of claims left out.
func TestNextBid(t *testing.T) {
	w, v, now := few(t, 3)
	w.claim("b", key(0))
	w.feed(v, w.rev, 1, now)
	w.remove(ClaimPath(key(0)))
	w.feed(v, w.rev, 1, now)
	for range 100 {
		next, some := v.nextBid(now)
		if !some {
			break
		}
		if next <= now {
			t.Fatalf("at %d the next thing is due at %d", now, next)
		}
		now = next
		v.wake(now)
	}
	if v.resting.n > 0 {
		t.Error("a claim deleted by hand is never bid for again")
	}
}

// What an answer tells of a claim is known at once, and what the watch brings later of older ones is no news; but targets wait for the
// watch. Seen to fail with take in place of learn, and with older claims touched.
func TestAnswersComeAheadOfTheWatch(t *testing.T) {
	w, v, now := few(t, 3)
	k := key(0)
	w.claim("a", k)
	put := w.keys[ClaimPath(k)]
	w.remove(ClaimPath(k))
	var heard []int64
	note := func(_ *slot, r Record) { heard = append(heard, r.Rev) }
	v.foldAnswer([]Record{{Path: ClaimPath(k), Deleted: true, Rev: w.rev}}, now, note)
	s := v.slots[k]
	if s.claim != w.rev || s.lease != 0 || s.holder != nil {
		t.Errorf("after the answer the claim is known as of %d on lease %s", s.claim, s.lease)
	}
	v.fold(Batch{Records: []Record{put}, Rev: put.Rev, Fresh: now}, now, note)
	if s.claim != w.rev || s.lease != 0 || s.holder != v.peer("a") {
		t.Errorf("the watch has brought an older claim, and it is known as of %d on lease %s", s.claim, s.lease)
	}
	w.feed(v, w.rev, 1, now)
	if len(heard) != 1 || heard[0] != w.rev || s.holder != nil || len(v.counted) != 0 {
		t.Errorf("heard of %d; want only %d", heard, w.rev)
	}
	audit(t, v)
}
