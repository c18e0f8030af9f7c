//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Config says how the nodes of a fleet are run. The first four fields are required.
type Config struct {
	Program string           // what Build returned
	Dir     string           // for their logs
	Client  *clientv3.Client // of the etcd that they use
	Prefix  string
	Flags   []string // for every node's command line

	Endpoints []string                         // of that etcd, as the nodes are told; default: the client's
	Prepare   func(node string, cmd *exec.Cmd) // may change how a node is started
}

// Fleet is the nodes of one cluster. Its methods are for one goroutine.
type Fleet struct {
	Config
	nodes    []*Node
	lifeline [2]*os.File // read end, write end
}

// New returns a fleet without nodes. Close must be called.
func New(cfg Config) (*Fleet, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open lifeline: %w", err)
	}
	return &Fleet{Config: cfg, lifeline: [2]*os.File{r, w}}, nil
}

// Close kills every node that still runs and returns when their processes have ended.
func (f *Fleet) Close() {
	for _, n := range f.nodes {
		n.kill()
	}
	for _, n := range f.nodes {
		n.gone()
	}
	_ = f.lifeline[0].Close()
	_ = f.lifeline[1].Close()
}

// Nodes returns the nodes in the order in which they were started; a node started twice is there twice.
func (f *Fleet) Nodes() []*Node { return f.nodes }

// Node is one "drm run": a supervisor, which is our child, and its worker.
type Node struct {
	ID         string
	Address    string // of its HTTP listener, once Ready has returned
	Supervisor *Process
	Worker     *Process // once Ready has returned

	fleet  *Fleet
	log    string
	joined sync.WaitGroup
	err    error // of the supervisor, once it has ended
}

// Launch starts a node and doesn't wait for it.
func (f *Fleet) Launch(id string, flags ...string) (*Node, error) {
	n := &Node{ID: id, fleet: f, log: filepath.Join(f.Dir, fmt.Sprintf("%02d-%s.log", len(f.nodes), id))}
	log, err := os.Create(n.log)
	if err != nil {
		return nil, fmt.Errorf("start node %s: %w", id, err)
	}
	defer log.Close()
	args := append([]string{
		"run", "--node=" + id, "--listen=127.0.0.1:0", "--lifeline=3", "--egress-allow-loopback", "--log-level=debug",
		"--endpoints=" + strings.Join(f.endpoints(), ","), "--prefix=" + f.Prefix,
	}, f.Flags...)
	cmd := exec.Command(f.Program, append(args, flags...)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{f.lifeline[0]}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, v := range os.Environ() {
		// The fleet is the same whatever cluster the shell is set up for.
		if !strings.HasPrefix(v, "DRM_") && !strings.HasPrefix(v, "ETCDCTL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if f.Prepare != nil {
		f.Prepare(id, cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node %s: %w", id, err)
	}
	n.Supervisor, err = open(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	n.joined.Go(func() { n.err = cmd.Wait() })
	f.nodes = append(f.nodes, n)
	return n, nil
}

func (f *Fleet) endpoints() []string {
	if f.Endpoints != nil {
		return f.Endpoints
	}
	return f.Client.Endpoints()
}

// Start starts a node and returns when it takes part in the cluster.
func (f *Fleet) Start(ctx context.Context, id string, flags ...string) (*Node, error) {
	n, err := f.Launch(id, flags...)
	if err != nil {
		return nil, err
	}
	return n, n.Ready(ctx)
}

// Ready returns once the node has registered and its worker is known.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		address, err := n.fleet.registered(ctx, n.ID, n.Supervisor.PID)
		if err == nil {
			n.Address = address
		}
		failed <- err
	}()
	select {
	case err := <-failed:
		if err != nil {
			return fmt.Errorf("wait for node %s: %w\n%s", n.ID, err, n.Tail())
		}
	case <-n.Supervisor.Ended():
		cancel()
		<-failed
		return fmt.Errorf("wait for node %s: it has ended with code %d\n%s", n.ID, n.Code(), n.Tail())
	}
	return n.findWorker()
}

func (n *Node) findWorker() error {
	children := childrenOf(n.Supervisor.PID)
	if len(children) != 1 {
		return fmt.Errorf("find worker of node %s: its supervisor has %d children", n.ID, len(children))
	}
	var err error
	n.Worker, err = open(children[0])
	return err
}

// Code waits for the supervisor to end and returns its exit code, 128 + the signal's number when one killed it.
func (n *Node) Code() int {
	n.joined.Wait()
	var exit *exec.ExitError
	if !errors.As(n.err, &exit) {
		return 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// End waits for the node to end by itself and returns its exit code.
func (n *Node) End(ctx context.Context) (int, error) {
	select {
	case <-n.Supervisor.Ended():
		return n.Code(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for node %s to end: %w\n%s", n.ID, ctx.Err(), n.Tail())
	}
}

// Leave asks the node to leave, and returns when it has, with its exit code.
func (n *Node) Leave(ctx context.Context) (int, error) {
	n.Supervisor.Signal(syscall.SIGTERM)
	return n.End(ctx)
}

// kill ends what is left of the node, both processes at once: either alone would see to an orderly end, which takes its time.
func (n *Node) kill() {
	if n.Worker == nil && n.Supervisor.Running() {
		_ = n.findWorker() // it may have none
	}
	n.Supervisor.Signal(syscall.SIGKILL)
	if n.Worker != nil {
		n.Worker.Signal(syscall.SIGKILL)
	}
}

// gone waits for what kill has ended.
func (n *Node) gone() {
	<-n.Supervisor.Ended()
	if n.Worker != nil {
		<-n.Worker.Ended()
	}
	n.joined.Wait()
}

// LogPath returns the file that the node logs into.
func (n *Node) LogPath() string { return n.log }

// Log returns all that the node has logged.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Tail returns the end of the log.
func (n *Node) Tail() string {
	const most = 4000
	text := n.Log()
	return text[max(len(text)-most, 0):]
}
