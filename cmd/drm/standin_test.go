package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// standIn, in the environment, makes "drm worker" a stand-in that reports leases which the test has granted, as
// "term leases trust", starts processes of its own, and does what it is asked to by signals:
// SIGHUP says so, SIGTERM exits with 3, a second one is ignored.
const standIn = "TEST_STAND_IN"

func beStandIn() {
	var (
		term, leases int
		trust        time.Duration
	)
	if _, err := fmt.Sscan(os.Getenv(standIn), &term, &leases, (*seconds)(&trust)); err != nil {
		panic(err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	guard, err := openGuard(3)
	if err != nil {
		panic(err)
	}
	guard.tell(cluster.Guarded{Term: cluster.TermID(term), Named: leases, Live: []cluster.Span{{Last: leases - 1}}, Deadline: lease.Boottime().Add(trust)})
	// One child, a grandchild in a session of its own, and one whose parent has gone already.
	shell := exec.Command("sh", "-c", "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; (sleep 1000 & echo $!); exec sleep 1000")
	out, err := shell.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := shell.Start(); err != nil {
		panic(err)
	}
	for scanner, n := bufio.NewScanner(out), 0; n < 3 && scanner.Scan(); n++ {
		fmt.Println(scanner.Text())
	}
	fmt.Printf("%d\n%d\nready\n", shell.Process.Pid, os.Getpid())
	for s := range signals {
		fmt.Println("got", s)
		if s == syscall.SIGTERM && os.Getenv("TEST_STUBBORN") == "" {
			os.Exit(3)
		}
	}
}

// seconds reads a duration with fmt.Sscan.
type seconds time.Duration

func (s *seconds) Scan(state fmt.ScanState, _ rune) error {
	token, err := state.Token(true, nil)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(string(token))
	*s = seconds(d)
	return err
}

// running is a drm process of a test.
type running struct {
	*exec.Cmd
	lines  chan string // of its standard output
	exited chan struct{}
}

// start starts cmd, and sees to it that it is gone after the test.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &logWriter{t: t, name: strings.Join(cmd.Args[1:2], " ")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{Cmd: cmd, lines: make(chan string, 1000), exited: make(chan struct{})}
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			r.lines <- scanner.Text()
		}
		close(r.lines)
		_ = cmd.Wait()
		close(r.exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.exited
	})
	return r
}

// logWriter puts what a process logs into the log of the test.
type logWriter struct {
	t    *testing.T
	name string
}

func (w *logWriter) Write(text []byte) (int, error) {
	w.t.Logf("%s: %s", w.name, strings.TrimSpace(string(text)))
	return len(text), nil
}

// pids reads what a stand-in says: the processes that it started, itself last.
func (r *running) pids(t *testing.T) []int {
	t.Helper()
	var pids []int
	for {
		line := r.line(t)
		if line == "ready" {
			return pids
		}
		pid, err := strconv.Atoi(line)
		if err != nil {
			t.Fatalf("want a pid, got %q", line)
		}
		pids = append(pids, pid)
	}
}

// within is how long anything may take in a test before it counts as never.
const within = 20 * time.Second

func (r *running) line(t *testing.T) string {
	t.Helper()
	select {
	case line, open := <-r.lines:
		if !open {
			t.Fatal("the process has ended")
		}
		return line
	case <-time.After(within):
		t.Fatal("the process says nothing")
	}
	return ""
}

// until reads lines until one matches.
func (r *running) until(t *testing.T, pattern string) []string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	for {
		if found := want.FindStringSubmatch(r.line(t)); found != nil {
			return found
		}
	}
}

// untilEach reads lines until each pattern has matched one, in any order.
func (r *running) untilEach(t *testing.T, patterns ...string) {
	t.Helper()
	for len(patterns) > 0 {
		line := r.line(t)
		patterns = slices.DeleteFunc(patterns, func(p string) bool { return regexp.MustCompile(p).MatchString(line) })
	}
}

// code waits for the end of the process.
func (r *running) code(t *testing.T) int {
	t.Helper()
	select {
	case <-r.exited:
		return exitCode(r.ProcessState.Sys().(syscall.WaitStatus))
	case <-time.After(within):
		t.Fatal("the process does not end")
	}
	return 0
}

// eventually waits until something is so that no event tells of.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for timeout := time.After(within); !so(); {
		select {
		case <-look.C:
		case <-timeout:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}
