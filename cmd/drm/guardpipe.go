package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"github.com/drm-cluster/drm/cluster"
)

// guardLine is a cluster.Guarded as it goes from the worker to its supervisor: a line of JSON.
type guardLine struct {
	Term     cluster.TermID  `json:"term"`
	Named    int             `json:"named"`
	Live     []cluster.Span  `json:"live"`
	Deadline cluster.Instant `json:"deadline"` // CLOCK_BOOTTIME, which all processes of a machine share
}

// guardWriter is the worker's end of the pipe.
type guardWriter struct{ conn syscall.RawConn }

// openGuard takes the pipe that the supervisor left open under fd.
func openGuard(fd int) (*guardWriter, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("open pipe to the supervisor: %w", err)
	}
	syscall.CloseOnExec(fd)
	conn, err := os.NewFile(uintptr(fd), "guard").SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("open pipe to the supervisor: %w", err)
	}
	return &guardWriter{conn}, nil
}

// tell sends what the supervisor must know. It never blocks, and a line that the pipe has no room for is left out:
// the pipe is full only when the supervisor has been stopped for minutes, and the next renewal says it all again.
// A line is shorter than PIPE_BUF, so it is written whole or not at all, whoever else writes.
func (w *guardWriter) tell(g cluster.Guarded) {
	line, _ := json.Marshal(guardLine(g))
	line = append(line, '\n')
	_ = w.conn.Write(func(fd uintptr) bool {
		_, _ = syscall.Write(int(fd), line)
		return true // whatever came of it: don't wait for room
	})
}

// guardReader is the supervisor's end. It has no goroutine: who has been stopped for a while must read all that
// has come before judging, and so it is read when it is needed.
type guardReader struct {
	conn syscall.RawConn
	rest []byte // the beginning of a line
	last cluster.Guarded
	any  bool // the worker has said something
}

// newGuardPipe returns the supervisor's end, and the worker's end to be passed on.
func newGuardPipe() (*guardReader, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open pipe to the worker: %w", err)
	}
	conn, err := r.SyscallConn()
	if err != nil {
		return nil, nil, fmt.Errorf("open pipe to the worker: %w", err)
	}
	return &guardReader{conn: conn}, w, nil
}

// latest reads all that has come and returns what the worker said last; zero when it has said nothing. A line
// that can't be read changes nothing: the deadline heard before it stands, and passes.
func (r *guardReader) latest() cluster.Guarded {
	buf := make([]byte, 4096)
	for {
		n := 0
		err := r.conn.Read(func(fd uintptr) bool {
			n, _ = syscall.Read(int(fd), buf)
			return true // nothing there: don't wait
		})
		if err != nil || n <= 0 {
			return r.last
		}
		r.take(buf[:n])
	}
}

func (r *guardReader) take(text []byte) {
	r.rest = append(r.rest, text...)
	for {
		line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			return
		}
		r.rest = rest
		var g guardLine
		if json.Unmarshal(line, &g) != nil {
			continue
		}
		r.last, r.any = cluster.Guarded(g).After(r.last), true
	}
}
