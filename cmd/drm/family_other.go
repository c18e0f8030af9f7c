//go:build !linux

package main

import "syscall"

// adoptOrphans does nothing: only Linux lets a process adopt its orphaned descendants.
func adoptOrphans() error { return nil }

// killChildren sends SIGKILL to the process groups of all that was started. A descendant that has moved to a group of
// its own is not found: run nodes whose resources start commands on Linux.
func (f *family) killChildren() {
	for _, group := range f.groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}
