package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startDev starts a dev cluster on free ports and returns its lines, from the banner on to the summary that says
// that all websockets are open.
func startDev(t *testing.T, args ...string) (r *running, banner []string) {
	t.Helper()
	args = append([]string{"dev", "--demo", "--etcd-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"}, args...)
	r = start(t, command([]string{"TMPDIR=" + t.TempDir()}, args...))
	for {
		line := r.line(t)
		banner = append(banner, line)
		if strings.Contains(line, "12 of 12 websockets open") {
			return r, banner
		}
	}
}

var nodePids = regexp.MustCompile(`^  (node-\d)  http://\S+  +worker (\d+) +supervisor (\d+)$`)

// pidsOf reads the pids from the banner: worker and supervisor of each node.
func pidsOf(t *testing.T, banner []string) (workers, supervisors []int) {
	t.Helper()
	for _, line := range banner {
		if found := nodePids.FindStringSubmatch(line); found != nil {
			worker, _ := strconv.Atoi(found[2])
			supervisor, _ := strconv.Atoi(found[3])
			workers, supervisors = append(workers, worker), append(supervisors, supervisor)
		}
	}
	if len(workers) != 3 {
		t.Fatalf("the banner shows %d nodes:\n%s", len(workers), strings.Join(banner, "\n"))
	}
	return workers, supervisors
}

var nodeHolds = regexp.MustCompile(`^  node-(\d) +(\d+)  demo`)

// busiest returns which node holds most, by its place from 0. Where the machine is busy itself, the first node to be there may have taken
// everything: then it is the only one whose end shows anything.
func busiest(t *testing.T, banner []string) (node int) {
	t.Helper()
	most := 0
	for _, line := range banner {
		if found := nodeHolds.FindStringSubmatch(line); found != nil {
			if n, _ := strconv.Atoi(found[2]); n > most {
				most = n
				number, _ := strconv.Atoi(found[1])
				node = number - 1
			}
		}
	}
	if most == 0 {
		t.Fatalf("the summary shows no node that holds anything:\n%s", strings.Join(banner, "\n"))
	}
	return node
}

// What the README promises of the first two minutes.
func TestDevDemo(t *testing.T) {
	began := time.Now()
	r, banner := startDev(t, "--restart", "1s")
	t.Logf("all held %v after the start", time.Since(began))
	workers, supervisors := pidsOf(t, banner)

	killed := busiest(t, banner)
	node := fmt.Sprintf("node-%d", killed+1)
	if err := syscall.Kill(workers[killed], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until(t, node+`: its worker was ended by a signal \(killed\)`)
	gap := r.until(t, `ALL \d+ WEBSOCKETS OF `+node+` ARE OPEN ELSEWHERE; the slowest was away for (\d+) ms`)
	t.Logf("kill -9 of a worker: %s ms", gap[1])
	again := r.until(t, node+` runs again: supervisor (\d+), worker (\d+)`)
	r.until(t, `12 of 12 websockets open, \d+ messages received, connected twice: 0 times`)

	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != exitOK {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	for _, text := range again[1:] {
		pid, _ := strconv.Atoi(text)
		workers = append(workers, pid)
	}
	for _, pid := range append(workers, supervisors...) {
		gone(t, pid)
	}
}

// Seen to fail without lifelines: six processes are left.
func TestKilledDevLeavesNothingBehind(t *testing.T) {
	r, banner := startDev(t)
	workers, supervisors := pidsOf(t, banner)
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range append(workers, supervisors...) {
		gone(t, pid)
	}
}

// A worker whose supervisor is killed hands everything off and ends. Seen to fail without the case of the
// supervisor's end in serve.
func TestOrphanedWorkerLeaves(t *testing.T) {
	r, banner := startDev(t, "--restart", "0")
	workers, supervisors := pidsOf(t, banner)
	killed := busiest(t, banner)
	node := fmt.Sprintf("node-%d", killed+1)
	if err := syscall.Kill(supervisors[killed], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.untilEach(t, node+`: its supervisor was ended by a signal \(killed\)$`, node+` → node-\d  handoff`)
	gone(t, workers[killed])
	r.until(t, `12 of 12 websockets open, \d+ messages received, connected twice: 0 times`)
}
