package etcdtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

const runVariable = "ETCDTEST_RUN_ETCD"

// Other is the etcd, by its path, that members run in place of the one in this module: to test with other versions. It comes from
// DRM_TEST_ETCD, and is "" when that is not set. Such a member outlives a test process that is killed.
func Other() string { return os.Getenv("DRM_TEST_ETCD") }

// MaybeRun turns this process into etcd and doesn't return, when Processes has started it for that; call it
// first in TestMain. etcd ends when its standard input does, which is when the starting process has ended.
func MaybeRun() {
	if os.Getenv(runVariable) == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	etcdmain.Main(append([]string{"etcd"}, os.Args[1:]...))
	os.Exit(0)
}

// Cluster is etcd as processes.
type Cluster struct {
	Members []*Member
}

// Member is one etcd process. Its methods are for the test's goroutine.
type Member struct {
	Endpoint string // http://127.0.0.1:port

	t     testing.TB
	args  []string
	log   string
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// Processes runs n members as processes until the test ends, and returns when they have a leader and answer.
// args are added to etcd's command line, such as --election-timeout=500. TestMain must call MaybeRun.
func Processes(t testing.TB, n int, args ...string) *Cluster {
	t.Helper()
	return ProcessesOn(t, "127.0.0.1", n, args...)
}

// ProcessesOn is Processes on another address of this machine.
func ProcessesOn(t testing.TB, ip string, n int, args ...string) *Cluster {
	t.Helper()
	dir := t.TempDir()
	var initial []string
	peers := make([]string, n)
	for i := range n {
		peers[i] = "http://" + freePort(t, ip)
		initial = append(initial, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	c := &Cluster{}
	for i := range n {
		m := &Member{t: t, Endpoint: "http://" + freePort(t, ip), log: filepath.Join(dir, fmt.Sprintf("m%d.log", i))}
		m.args = append([]string{
			fmt.Sprintf("--name=m%d", i), "--data-dir=" + filepath.Join(dir, fmt.Sprintf("m%d", i)),
			"--listen-client-urls=" + m.Endpoint, "--advertise-client-urls=" + m.Endpoint,
			"--listen-peer-urls=" + peers[i], "--initial-advertise-peer-urls=" + peers[i],
			"--initial-cluster=" + strings.Join(initial, ","), "--unsafe-no-fsync",
			"--log-level=error", "--log-outputs=" + m.log,
		}, args...)
		c.Members = append(c.Members, m)
		m.Restart()
		t.Cleanup(m.Kill)
	}
	for _, m := range c.Members {
		m.WaitReady()
	}
	return c
}

// Endpoints returns the endpoints of all members.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.Endpoint)
	}
	return all
}

// Leader returns the index in Members of the leader, as the first member that answers sees it.
func (c *Cluster) Leader() int {
	t := c.Members[0].t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	client := Client(t, c.Endpoints())
	for i, m := range c.Members {
		if m.cmd == nil {
			continue
		}
		status, err := client.Status(ctx, m.Endpoint)
		if err != nil {
			t.Fatalf("find leader: %v", err)
		}
		if status.Leader == status.Header.MemberId {
			return i
		}
	}
	t.Fatal("find leader: no running member leads")
	return -1
}

// Restart starts a killed member again, on the data and the ports that it had. It doesn't wait for it.
func (m *Member) Restart() {
	m.t.Helper()
	m.cmd = exec.Command(cmp.Or(Other(), os.Args[0]), m.args...)
	for _, v := range os.Environ() {
		// etcd refuses to start when a variable and a flag both set an option.
		if !strings.HasPrefix(v, "ETCD_") {
			m.cmd.Env = append(m.cmd.Env, v)
		}
	}
	m.cmd.Env = append(m.cmd.Env, runVariable+"=1")
	var err error
	if m.stdin, err = m.cmd.StdinPipe(); err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		m.t.Fatalf("start etcd: %v", err)
	}
}

// WaitReady returns once the member answers a linearizable read.
func (m *Member) WaitReady() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	client := Client(m.t, []string{m.Endpoint})
	for {
		once, stop := context.WithTimeout(ctx, time.Second)
		_, err := client.Get(once, "etcdtest", clientv3.WithCountOnly())
		stop()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(m.log)
			m.t.Fatalf("start etcd: %v\n%s", errors.Join(ctx.Err(), err), log)
		}
	}
}

// PID returns the process id, 0 when the member doesn't run.
func (m *Member) PID() int {
	if m.cmd == nil {
		return 0
	}
	return m.cmd.Process.Pid
}

// Kill ends the member with SIGKILL and returns when it has ended. Killing a killed member does nothing.
func (m *Member) Kill() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	_ = m.stdin.Close()
	_ = m.cmd.Wait() // It was killed: the exit status says nothing more.
	m.cmd = nil
}

// Stop freezes the member with SIGSTOP, and returns when it stands still: its connections stay open and nothing answers.
func (m *Member) Stop() {
	m.t.Helper()
	m.signal(syscall.SIGSTOP)
	for {
		// The signal is sent before all threads have taken it; a parent is told when they have.
		if _, err := syscall.Wait4(m.cmd.Process.Pid, nil, syscall.WUNTRACED, nil); err == nil {
			return
		} else if !errors.Is(err, syscall.EINTR) {
			m.t.Fatalf("stop etcd: %v", err)
		}
	}
}

// Cont lets a frozen member go on.
func (m *Member) Cont() { m.signal(syscall.SIGCONT) }

func (m *Member) signal(s syscall.Signal) {
	m.t.Helper()
	if m.cmd == nil {
		m.t.Fatalf("signal etcd: %v: the member doesn't run", s)
	}
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatalf("signal etcd: %v", err)
	}
}
