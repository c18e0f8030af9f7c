package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// A lifeline is a pipe whose writing end only the starting process holds and never writes to: it ends when that
// process does, however it ends, and so no process that drm starts outlives it for long.

// openLifeline returns a channel that is closed once the process that left the pipe open under fd is gone; without a
// pipe (fd 0) it never is. release must be called.
func openLifeline(fd int) (gone <-chan struct{}, release func(), err error) {
	if fd == 0 {
		return nil, func() {}, nil
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, nil, fmt.Errorf("open lifeline: %w", err)
	}
	syscall.CloseOnExec(fd)
	pipe, ended, joined := os.NewFile(uintptr(fd), "lifeline"), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(joined)
		if _, err := io.Copy(io.Discard, pipe); err == nil {
			close(ended)
		}
	}()
	release = func() {
		_ = pipe.Close() // wakes the reader, which then closes nothing
		<-joined
	}
	return ended, release, nil
}
