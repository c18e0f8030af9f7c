// Package redistest runs real redis servers, Debian's redis-server, for tests and benchmarks.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	program = "redis-server"
	// startWithin is for a machine on which many tests run at once.
	startWithin = 20 * time.Second
)

// guardian runs the server and ends it when its own standard input ends: however the starting process ends, no server is left.
const guardian = `"$@" </dev/null >/dev/null & echo $!; cat >/dev/null; kill -9 $!; wait $!`

// Process is a redis server as a process. Its methods are for one goroutine at a time.
type Process struct {
	Addr string // 127.0.0.1:port, the same after Restart

	dir   string
	args  []string
	cmd   *exec.Cmd
	stdin io.Closer
	pid   int
}

// Run starts a server that keeps its files in dir, and returns when it answers. args are added to the command line, such
// as --appendonly yes; a first one that is a path is its configuration file.
func Run(dir string, args ...string) (*Process, error) {
	for attempt := 1; ; attempt++ {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p := &Process{Addr: addr, dir: dir, args: args}
		if err = p.Restart(); err == nil {
			return p, nil
		}
		p.Kill()
		if attempt == 3 { // the port may have been taken by another meanwhile, but not thrice
			return nil, err
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Launch starts a killed server again, on the port and the files that it had, without waiting until it answers.
func (p *Process) Launch() error {
	_, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return err
	}
	args := []string{"-c", guardian, "sh", program}
	args = append(args, p.args...)
	args = append(args, "--repl-diskless-sync-delay", "0", "--port", port, "--bind", "127.0.0.1", "--dir", p.dir, "--logfile", p.log())
	p.cmd = exec.Command("sh", args...)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return fmt.Errorf("start %s: %w", program, err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		p.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	return err
}

// Restart does as Launch and returns when the server has loaded its data and answers, be it that it wants a password.
func (p *Process) Restart() error {
	if err := p.Launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := p.Do("PING")
		var reply redis.Error
		if err == nil || errors.As(err, &reply) && !strings.HasPrefix(string(reply), "LOADING") {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(p.log())
			return fmt.Errorf("start %s: %w\n%s", program, err, log)
		}
	}
}

func (p *Process) log() string { return filepath.Join(p.dir, "log") }

// Do sends one command on a connection of its own.
func (p *Process) Do(command string, args ...any) (any, error) {
	conn, err := redis.Dial("tcp", p.Addr, redis.DialConnectTimeout(startWithin), redis.DialReadTimeout(startWithin))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

// Kill ends the server with SIGKILL and returns when it has ended. Killing a killed one does nothing.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // it was killed: the exit status says nothing more
	p.cmd = nil
}

// Stop freezes the server: its connections stay open and nothing answers.
func (p *Process) Stop() error { return syscall.Kill(p.pid, syscall.SIGSTOP) }

// Cont lets a frozen server go on.
func (p *Process) Cont() error { return syscall.Kill(p.pid, syscall.SIGCONT) }
