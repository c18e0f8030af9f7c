//go:build linux

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a running process, child of ours or not. It is known by a handle of the kernel's, so that a
// signal never reaches another process that was given the same pid.
type Process struct {
	PID   int
	ended chan struct{}

	mu     sync.Mutex
	handle int // a pidfd; -1 once the process has ended
}

// open returns the process that runs under a pid.
func open(pid int) (*Process, error) {
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	p := &Process{PID: pid, handle: handle, ended: make(chan struct{})}
	go p.wait() // ends with the process, which Fleet.Close sees to
	return p, nil
}

func (p *Process) wait() {
	fds := []unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	_ = unix.Close(p.handle)
	p.handle = -1
	p.mu.Unlock()
	close(p.ended)
}

// Ended is closed once the process has ended: the kernel has closed all that it had open.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Running tells whether the process has not ended, at this very moment: Ended may be closed a little later.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle < 0 {
		return false
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}, 0)
	return n == 0 || err != nil
}

// Signal sends a signal; a process that has ended is left alone.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle >= 0 {
		_ = unix.PidfdSendSignal(p.handle, s, nil, 0) // it fails only if the process has just ended
	}
}

// Kill ends the process as a crash does, and returns when it has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop freezes the process with SIGSTOP and returns when all of its threads stand still.
func (p *Process) Stop(ctx context.Context) error {
	p.Signal(syscall.SIGSTOP)
	look := time.NewTicker(time.Millisecond) // the kernel tells only a parent of it
	defer look.Stop()
	for !p.still() {
		select {
		case <-look.C:
		case <-p.ended:
			return fmt.Errorf("stop process %d: it has ended", p.PID)
		case <-ctx.Done():
			return fmt.Errorf("stop process %d: %w", p.PID, ctx.Err())
		}
	}
	return nil
}

// Cont lets a frozen process go on.
func (p *Process) Cont() { p.Signal(syscall.SIGCONT) }

// still tells whether every thread is in state T, stopped.
func (p *Process) still() bool {
	dir := "/proc/" + strconv.Itoa(p.PID) + "/task/"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		if state, _ := stat(dir + thread.Name() + "/stat"); state != 'T' {
			return false
		}
	}
	return true
}

// RSS returns the memory that the process has in use, in bytes; 0 when it has ended.
func (p *Process) RSS() int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// ProcessorTime returns how much processor time a process has used so far, in steps of 10 ms; 0 when it has ended.
func ProcessorTime(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Running returns the pids of the processes that run a program, by its path.
func Running(program string) []int {
	return processes(func(pid string) bool {
		path, err := os.Readlink("/proc/" + pid + "/exe")
		return err == nil && path == program
	})
}

// childrenOf returns the pids of a process's children that have not ended.
func childrenOf(parent int) []int {
	return processes(func(pid string) bool {
		state, ppid := stat("/proc/" + pid + "/stat")
		return ppid == parent && state != 'Z'
	})
}

func processes(which func(pid string) bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && which(entry.Name()) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat reads the state and the parent of a process or thread; the name before them may hold spaces and parentheses.
func stat(path string) (state byte, ppid int) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0
	}
	ppid, _ = strconv.Atoi(string(fields[1]))
	return fields[0][0], ppid
}
