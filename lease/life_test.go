package lease

import (
	"os"
	"os/exec"
	"runtime"
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
		"zombie":                       {func(*cluster.Life) {}, process{exists: true, known: true, zombie: true, started: 100}, cluster.Unknown},
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
	stat := "42 (a) S 1) Z 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0"
	if zombie, started, err := parseStat(stat); !zombie || started != 12345 || err != nil {
		t.Errorf("zombie %v, started %d, %v; want true, 12345", zombie, started, err)
	}
	for _, bad := range []string{"", "42 a S 1", "42 (a) S 1"} {
		if _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestJudgeOnThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no proof of death is known off Linux")
	}
	self, err := Self()
	if err != nil || self.Boot == "" || self.PIDNS == "" || self.PID != os.Getpid() || self.Started == 0 {
		t.Fatalf("self: %+v, %v", self, err)
	}
	if got := Judge(self); got != cluster.Alive {
		t.Errorf("this process: %v; want alive", got)
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	dead := self
	dead.PID, dead.Started = child.Process.Pid, self.Started+1
	if got := Judge(dead); got != cluster.Dead {
		t.Errorf("a process that has ended: %v; want dead", got)
	}
	if a, b := Boottime(), Boottime(); a <= 0 || b < a {
		t.Errorf("the clock says %d and then %d", a, b)
	}
}
