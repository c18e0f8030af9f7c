package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process a child subreaper: a descendant whose parent dies becomes our child, however
// it was started, so that "no child is left" means that no descendant is.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// killChildren sends SIGKILL to each child. Only children, never their children: nobody but us can reap a child,
// so its pid can't belong to another process by now. Theirs become ours as they die.
func (f *family) killChildren() {
	for _, pid := range childrenOf(os.Getpid()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// childrenOf lists the running children of a process.
func childrenOf(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if state, ppid := parseStat(stat); ppid == parent && state != 'Z' {
			children = append(children, pid)
		}
	}
	return children
}

// parseStat reads the state and the parent from /proc/PID/stat. The name before them is in parentheses and may
// hold spaces and parentheses itself.
func parseStat(stat []byte) (state byte, ppid int) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, 0
	}
	ppid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, 0
	}
	return fields[0][0], ppid
}
