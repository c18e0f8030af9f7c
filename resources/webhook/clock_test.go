package webhook

import (
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// The next holder's clock may be an hour ahead, or behind: what waits is then tried early, or a whole pause later at the latest, and
// what is in doubt stays so. Seen to fail (tried after an hour) with the time on record taken as it is.
func TestAnotherClock(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour, "nearly right": time.Second} {
		b := newBench(t, func(s *spec) {
			s.Concurrency = 2
			s.Retry.Schedule = []cluster.Duration{cluster.Duration(time.Minute)}
			s.Retry.Jitter = 0
		})
		b.lane.queue = b.lane.queue[:2]
		refs := b.begins()
		b.ends(refs[0], outcome{verdict: refused, status: 503, err: errTest})
		b.ends(refs[1], outcome{verdict: inDoubt, err: errTest})
		b.now = b.now.Add(step)
		b.holdAgain()
		wait := map[string]time.Duration{"ahead": 0, "behind": time.Minute, "nearly right": 59 * time.Second}[name]
		if early := b.begins(); wait > 0 && len(early) > 0 {
			t.Errorf("%s: %v was sent before its time", name, early)
		} else if wait == 0 && len(early) != 1 {
			t.Errorf("%s: %v was sent; want what waited", name, early)
		}
		b.now = b.now.Add(wait)
		if due := b.begins(); wait > 0 && (len(due) != 1 || due[0] != refs[0]) {
			t.Errorf("%s: after %v %v was sent; want %s", name, wait, due, refs[0])
		}
		if dir, _ := b.entry(refs[1]); dir != doubtDir {
			t.Errorf("%s: what was in doubt is in %q", name, dir)
		}
	}
}
