package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// devNode is one node of a dev cluster: a supervisor, which is our child, and its worker. The fields are the dev
// loop's own.
type devNode struct {
	name, listen string
	supervisor   *child
	worker       int       // pid, 0 while not known
	gone         bool      // the supervisor has ended,
	since        time.Time // at this time
}

// launcher starts the nodes of a dev cluster and turns what they print and how they end into messages.
type launcher struct {
	program  string
	flags    []string // that all nodes have
	family   *family
	lifeline *os.File // the end that nodes read
	hold     *os.File // the other end: nodes leave when it is closed, or this process gone
	lines    chan nodeLine
	exits    chan nodeExit
	stop     chan struct{} // closed when nobody takes messages any more
	group    sync.WaitGroup
}

// nodeLine is a line of a node's log, or, with no record, one that it printed.
type nodeLine struct {
	node   *devNode
	text   string
	record map[string]any
}

// nodeExit tells how the supervisor of a node ended.
type nodeExit struct {
	node   *devNode
	status syscall.WaitStatus
}

func newLauncher(program string, flags []string) (*launcher, error) {
	lifeline, hold, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open lifeline: %w", err)
	}
	family, err := newFamily()
	if err != nil {
		return nil, err
	}
	return &launcher{
		program: program, flags: flags, family: family, lifeline: lifeline, hold: hold,
		lines: make(chan nodeLine, 256), exits: make(chan nodeExit), stop: make(chan struct{}),
	}, nil
}

// close kills what is left of the nodes and joins all goroutines.
func (l *launcher) close() {
	close(l.stop)
	l.family.end()
	l.group.Wait()
	_ = l.hold.Close()
	_ = l.lifeline.Close()
}

// start starts a node.
func (l *launcher) start(n *devNode) error {
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	defer outWrite.Close()
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		outRead.Close()
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	defer logWrite.Close()
	cmd := exec.Command(l.program, append([]string{"run", "--node", n.name, "--listen", n.listen, "--lifeline", "3"}, l.flags...)...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = outWrite, logWrite, []*os.File{l.lifeline}
	l.group.Go(func() { l.read(n, outRead, false) })
	l.group.Go(func() { l.read(n, logRead, true) })
	supervisor, err := l.family.start(cmd)
	if err != nil {
		return err
	}
	n.supervisor, n.worker, n.gone = supervisor, 0, false
	l.group.Go(func() {
		status := <-supervisor.exited
		select {
		case l.exits <- nodeExit{n, status}:
		case <-l.stop:
		}
	})
	return nil
}

// read passes lines on until no process of the node holds the other end of the pipe.
func (l *launcher) read(n *devNode, pipe *os.File, logs bool) {
	defer pipe.Close()
	reader := bufio.NewReader(pipe)
	for {
		text, err := reader.ReadString('\n')
		if text = strings.TrimRight(text, "\n"); text != "" {
			line := nodeLine{node: n, text: text}
			if logs && json.Unmarshal([]byte(text), &line.record) != nil {
				line.record = nil
			}
			select {
			case l.lines <- line:
			case <-l.stop:
				_, _ = io.Copy(io.Discard, reader) // a node must not wait for us while it ends
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// withoutSettings leaves out the variables that would set a node's flags: a dev cluster is the same whatever
// cluster the shell is set up for.
func withoutSettings(env []string) []string {
	var rest []string
	for _, line := range env {
		if !strings.HasPrefix(line, envPrefix) && !strings.HasPrefix(line, "ETCDCTL_") {
			rest = append(rest, line)
		}
	}
	return rest
}
