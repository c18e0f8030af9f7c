//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"go.uber.org/zap"

	"github.com/drm-cluster/drm/test/recorder"
)

const (
	roleEtcd     = "etcd"
	roleRecorder = "recorder"
	roleReceiver = "receiver"
	roleFeeder   = "feeder"
	roleReader   = "reader" // of the feed at which url
	rolePoster   = "poster" // of how many POSTs, and how many at a time, to which address
)

// role makes this process what the first argument says, and returns when it is over; false when it says nothing. What
// is measured must not share a process with what measures, nor does anything outlive the one that started it:
// each role ends with its standard input.
func role(args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case roleEtcd:
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		etcdmain.Main(args)
	case roleRecorder:
		s, err := recorder.Start("127.0.0.1")
		orExit(err)
		fmt.Println(s.Address())
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	case roleReceiver:
		orExit(serveReceiver(func(address string) { fmt.Println(address) }, os.Stdin))
	case roleFeeder:
		orExit(serveFeeder(func(address string) { fmt.Println(address) }, os.Stdin))
	case roleReader:
		orExit(readFeed(args[1:]))
	case rolePoster:
		orExit(post(args[1:]))
	default:
		return false
	}
	return true
}

func orExit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// helper is this program in a role.
type helper struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

func startHelper(args ...string) (*helper, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	h := &helper{cmd: exec.Command(program, args...)}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ETCD_") {
			h.cmd.Env = append(h.cmd.Env, v)
		}
	}
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	h.stdout = bufio.NewReader(stdout)
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return h, nil
}

// close ends the helper; its exit status says nothing more.
func (h *helper) close() {
	_ = h.stdin.Close()
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// startRecorder returns once the recorder listens.
func startRecorder() (*helper, recorder.Remote, error) {
	h, address, err := startListener(roleRecorder)
	return h, recorder.Remote{Address: address}, err
}

// startListener starts a helper that others call, and returns once it listens.
func startListener(role string) (h *helper, address string, err error) {
	if h, err = startHelper(role); err != nil {
		return nil, "", err
	}
	line, err := h.stdout.ReadString('\n')
	if err != nil {
		h.close()
		return nil, "", fmt.Errorf("start %s: %w", role, err)
	}
	return h, strings.TrimSpace(line), nil
}

// startEtcd returns once etcd, of so many members, answers, with a client of it. Its files are under dir, with all syncs that it makes.
func startEtcd(dir string, members int) (started []*helper, client *clientv3.Client, err error) {
	// Names for sockets would spare the search for ports, but drm's nodes are to reach it as they reach any etcd.
	addresses := make([]string, 2*members)
	var endpoints, initial []string
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, nil, err
		}
	}
	for i := range members {
		endpoints = append(endpoints, "http://"+addresses[2*i])
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, addresses[2*i+1]))
	}
	log := filepath.Join(dir, "etcd.log")
	for i, endpoint := range endpoints {
		name, peer, _ := strings.Cut(initial[i], "=")
		h, err := startHelper(roleEtcd, "--name="+name, "--data-dir="+filepath.Join(dir, name),
			"--listen-client-urls="+endpoint, "--advertise-client-urls="+endpoint,
			"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
			"--initial-cluster="+strings.Join(initial, ","), "--log-level=error", "--log-outputs="+log,
			"--auto-compaction-mode=periodic", "--auto-compaction-retention=5m")
		if err != nil {
			closeEtcd(started, nil)
			return nil, nil, err
		}
		started = append(started, h)
	}
	client, err = clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err == nil {
		err = answers(client)
	}
	if err != nil {
		closeEtcd(started, client)
		text, _ := os.ReadFile(log)
		return nil, nil, fmt.Errorf("start etcd: %w\n%s", err, text)
	}
	return started, client, nil
}

// closeEtcd ends members and the client of them, if there is one.
func closeEtcd(members []*helper, client *clientv3.Client) {
	if client != nil {
		_ = client.Close()
	}
	for _, m := range members {
		m.close()
	}
}

// answers waits for a linearizable read.
func answers(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		once, stop := context.WithTimeout(ctx, time.Second)
		_, err := client.Get(once, "bench", clientv3.WithCountOnly())
		stop()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}
