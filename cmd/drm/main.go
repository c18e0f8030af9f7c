// Command drm keeps every resource of a cluster held by exactly one live node.
//
// This package is the only one that knows all the others: it reads flags and variables, starts and guards
// processes, and wires the parts of a node together. "drm run" is one node, "drm dev" a whole cluster to
// try things on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	signals := catchSignals()
	os.Exit(run(process{env: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals}, os.Args[1:]))
}

// process is what a command may use of the process that it runs in; tests bring their own.
type process struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        <-chan os.Signal
}

// catchSignals is the first thing that main does: a SIGHUP that arrives while drm is still starting must not
// kill it. SIGPIPE is caught rather than ignored, so that a reader of our output that goes away ends
// nothing, and a command that drm starts still gets the system's default.
func catchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signals
}

// run executes one command line and returns the exit code of the process.
func run(p process, args []string) int {
	root := newRoot(p)
	root.SetArgs(args)
	err := bindAndExecute(root, p.env)
	var e *codedError
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &e): // cobra's own: the command line was not understood
		fmt.Fprintf(p.stderr, "drm: %v\nRun \"drm help\" for how drm is used.\n", err)
		return exitUsage
	case e.err != nil:
		fmt.Fprintf(p.stderr, "drm: %v\n", e.err)
	}
	return e.code
}

func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "drm",
		Short: "Keep every resource held by exactly one live node",
		Long: "drm keeps every resource (a websocket, a webhook, a poll, a command) held by exactly one live node\n" +
			"of a cluster. Resources are keys in etcd; nodes claim them, and take over from each other when one dies.",
		Example: "  drm dev --demo        a cluster on this machine, with something to hold\n" +
			"  drm run --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(suggestFlag)
	root.AddCommand(newRun(p), newWorker(p), newDev(p), newFeed(p), newHealthcheck(p), newVersion(p))
	root.AddCommand(newGet(p), newNodes(p), newExplain(p), newCordon(p), newUncordon(p), newDrain(p), newRebalance(p),
		newRetry(p), newValidate(p), newPublish(p), newEvents(p), newDeliveries(p), newReplay(p), newDrop(p), newReceive(p), newSend(p), newBench(p))
	root.AddCommand(helpTopics()...)
	return root
}

// interruptible runs f, and ends its context with the first signal that asks the process to end.
func (p process) interruptible(f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case s := <-p.signals:
			if s != syscall.SIGHUP {
				cancel()
			}
		}
	}
}
