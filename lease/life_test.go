package lease

import (
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

func TestJudge(t *testing.T) {
	self := cluster.Life{Machine: "m", Boot: "b", PIDNS: "1", PID: 10, Started: 100}
	running := process{exists: true, known: true, started: 100}
	for name, c := range map[string]struct {
		change func(*cluster.Life)
		found  process
		want   cluster.Verdict
	}{
		"that very process":            {func(*cluster.Life) {}, running, cluster.Alive},
		"pid absent":                   {func(*cluster.Life) {}, process{}, cluster.Dead},
		"pid used again":               {func(*cluster.Life) {}, process{exists: true, known: true, started: 200}, cluster.Dead},
		"pid hidden":                   {func(*cluster.Life) {}, process{exists: true}, cluster.Unknown},
		"zombie without threads":       {func(*cluster.Life) {}, process{exists: true, known: true, zombie: true, ended: true, started: 100}, cluster.Dead},
		"zombie with threads":          {func(*cluster.Life) {}, process{exists: true, known: true, zombie: true, started: 100}, cluster.Unknown},
		"other boot, same machine":     {func(l *cluster.Life) { l.Boot = "c" }, running, cluster.Dead},
		"other boot, other machine":    {func(l *cluster.Life) { l.Boot, l.Machine = "c", "n" }, process{}, cluster.Unknown},
		"other boot, unknown machine":  {func(l *cluster.Life) { l.Boot, l.Machine = "c", "" }, process{}, cluster.Unknown},
		"other pid namespace":          {func(l *cluster.Life) { l.PIDNS = "2" }, process{}, cluster.Unknown},
		"nothing published":            {func(l *cluster.Life) { *l = cluster.Life{} }, process{}, cluster.Unknown},
		"no pid, though the same boot": {func(l *cluster.Life) { l.PID = 0 }, process{}, cluster.Unknown},
	} {
		other := self
		c.change(&other)
		if got := judge(self, other, func(int) process { return c.found }); got != c.want {
			t.Errorf("%s: %v; want %v", name, got, c.want)
		}
	}
}

func TestParseStatCountsFromTheLastBracket(t *testing.T) {
	for threads, ended := range map[string]bool{"1": true, "2": false} {
		stat := "42 (a) S 1) Z 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 " + threads + " 0 12345 0 0"
		want := process{exists: true, known: true, started: 12345, zombie: true, ended: ended}
		if p, err := parseStat(stat); p != want || err != nil {
			t.Errorf("%s threads: %+v, %v; want %+v", threads, p, err, want)
		}
	}
	for _, bad := range []string{"", "42 a S 1", "42 (a) S 1"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
