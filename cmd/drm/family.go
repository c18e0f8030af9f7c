package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// family starts processes and reaps whatever becomes a child of this one: those it started and, where the system
// can do that, what they leave behind when they die. What is known of a child's end comes from wait4 alone:
// a closed pipe or a stopped process proves nothing.
type family struct {
	sigchld chan os.Signal
	stop    chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	children map[int]*child // by pid; those still running
	groups   []int          // process groups of all that were ever started
}

// child is a process that a family started.
type child struct {
	pid    int
	exited chan syscall.WaitStatus // gets one value, once the process has ended
	handle *os.Process             // never the bare pid, which the system may give to another process
}

// newFamily makes this process the parent of its orphaned descendants and begins to reap. A process has one
// family at most, since it takes every child's exit status.
func newFamily() (*family, error) {
	if err := adoptOrphans(); err != nil {
		return nil, fmt.Errorf("become the parent of orphaned processes: %w", err)
	}
	f := &family{
		sigchld:  make(chan os.Signal, 1),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
		children: map[int]*child{},
	}
	signal.Notify(f.sigchld, syscall.SIGCHLD)
	go f.reap()
	return f, nil
}

// start starts cmd in a process group of its own, so that a Ctrl-C reaches only this process, which decides what
// to pass on. cmd's output must be files; its Wait must not be called.
func (f *family) start(cmd *exec.Cmd) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	f.mu.Lock() // a child that ends at once must be known before it is reaped
	defer f.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	c := &child{pid: cmd.Process.Pid, exited: make(chan syscall.WaitStatus, 1), handle: cmd.Process}
	f.children[c.pid] = c
	f.groups = append(f.groups, c.pid)
	return c, nil
}

// signal sends a signal to the child; a child that has ended already is left alone.
func (c *child) signal(s os.Signal) { _ = c.handle.Signal(s) }

// reap collects exit statuses until end is called. SIGCHLDs coalesce, so each one makes it collect all there are.
func (f *family) reap() {
	defer close(f.stopped)
	for {
		select {
		case <-f.sigchld:
			f.collect()
		case <-f.stop:
			return
		}
	}
}

func (f *family) collect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		pid, status, err := wait(syscall.WNOHANG)
		if err != nil || pid == 0 {
			return
		}
		f.bury(pid, status)
	}
}

func (f *family) bury(pid int, status syscall.WaitStatus) {
	if c := f.children[pid]; c != nil {
		delete(f.children, pid)
		c.exited <- status
	}
}

// end kills every descendant and returns when none is left, with the number there were. A family ends once.
func (f *family) end() int {
	signal.Stop(f.sigchld)
	close(f.stop)
	<-f.stopped
	f.mu.Lock()
	defer f.mu.Unlock()
	for ended := 0; ; ended++ {
		pid, status, err := wait(syscall.WNOHANG)
		if err == nil && pid == 0 {
			f.killChildren()
			pid, status, err = wait(0)
		}
		if errors.Is(err, syscall.ECHILD) {
			return ended
		}
		f.bury(pid, status)
	}
}

// wait is wait4 for any child.
func wait(options int) (pid int, status syscall.WaitStatus, err error) {
	for {
		pid, err = syscall.Wait4(-1, &status, options, nil)
		if !errors.Is(err, syscall.EINTR) {
			return pid, status, err
		}
	}
}

// exitCode is the code with which a shell would report the end of a process.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
