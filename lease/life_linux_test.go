package lease

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/drm-cluster/drm/cluster"
)

func TestJudgeOnThisMachine(t *testing.T) {
	self, err := Self()
	if err != nil || self.Boot == "" || self.PIDNS == "" || self.PID != os.Getpid() || self.Started == 0 {
		t.Fatalf("self: %+v, %v", self, err)
	}
	if got := Judge(self); got != cluster.Alive {
		t.Errorf("this process: %v; want alive", got)
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dead := self
	dead.PID, dead.Started = child.Process.Pid, look(child.Process.Pid).started
	if err := unix.Waitid(unix.P_PID, dead.PID, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if got := Judge(dead); got != cluster.Dead { // a zombie: killed together with its supervisor, it stays one for a while
		t.Errorf("a process that has ended, and not been waited for: %v; want dead", got)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := Judge(dead); got != cluster.Dead {
		t.Errorf("a process that has ended: %v; want dead", got)
	}
	if a, b := Boottime(), Boottime(); a <= 0 || b < a {
		t.Errorf("the clock says %d and then %d", a, b)
	}
}
