package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

func newRun(p process) *cobra.Command {
	s := &settings{etcdSettings: etcdSettings{env: variables(p.env)}}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node: hold resources together with the other nodes",
		Long: "Run a node. This process becomes a small supervisor, which starts the worker that does everything.\n" +
			"When the worker crashes, the supervisor ends what it left behind and gives its leases back within\n" +
			"milliseconds, so that other nodes take over at once; restarting is left to systemd, Docker or Kubernetes.",
		Example: "  drm run --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379 --zone eu-1a --label disk=ssd\n" +
			"  ETCDCTL_ENDPOINTS=https://etcd:2379 DRM_NODE=a drm run",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return supervise(p, s) },
	}
	s.define(cmd.Flags())
	return cmd
}

// supervise starts the worker and returns when it, and all that it started, has ended.
func supervise(p process, s *settings) error {
	n, err := openNode(p, s)
	if err != nil {
		return err
	}
	cfg, err := s.etcd(n.log)
	if err != nil {
		return exits(exitConfig, err)
	}
	store, err := lease.Open(cfg)
	if err != nil {
		return exits(exitConfig, err)
	}
	defer store.Close()
	if err := p.interruptible(func(ctx context.Context) error { return check(ctx, store, cfg, n.log) }); err != nil {
		return err
	}
	gone, release, err := openLifeline(s.lifelineFD)
	if err != nil {
		return exits(exitError, err)
	}
	defer release()
	sv := &supervisor{log: n.log, clock: lease.Boottime, store: store, signals: p.signals, lifeline: gone}
	sv.reload = func() { n.reload(store) }
	lifeline, err := sv.startWorker(s)
	if err != nil {
		return exits(exitError, err)
	}
	defer lifeline.Close()
	if code := sv.watch(); code != exitOK {
		return &codedError{code: code}
	}
	return nil
}

// check asks etcd, before anything is started, whether a node can work with it.
func check(ctx context.Context, store *lease.Store, cfg lease.Config, log *slog.Logger) error {
	warnings, err := store.Check(ctx)
	for _, w := range warnings {
		log.Warn(w)
	}
	return reached(ctx, err, cfg)
}

// reached gives an error of the first request to etcd its exit code, and says what to do about it.
func reached(ctx context.Context, err error, cfg lease.Config) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exits(exitError, errors.New("asked to end before etcd answered"))
	case errors.Is(err, lease.ErrUnfit), errors.Is(err, cluster.ErrRefused):
		return exits(exitConfig, err)
	case errors.Is(err, lease.ErrAlarm):
		return exits(exitUnreachable, err)
	}
	return exits(exitUnreachable, fmt.Errorf("%w; name etcd's members with --endpoints, DRM_ENDPOINTS or ETCDCTL_ENDPOINTS (now: %s)",
		err, strings.Join(cfg.Endpoints, ",")))
}

// startWorker starts this program again as the worker. The pipe returned must stay open as long as the worker is
// to go on.
func (s *supervisor) startWorker(set *settings) (lifeline io.Closer, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if s.family, err = newFamily(); err != nil {
		return nil, err
	}
	guard, guardEnd, err := newGuardPipe()
	if err != nil {
		return nil, err
	}
	defer guardEnd.Close()
	lifelineEnd, hold, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open lifeline: %w", err)
	}
	defer lifelineEnd.Close()
	cmd := exec.Command(program, append([]string{"worker"}, set.arguments()...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{guardEnd, lifelineEnd}
	for i, name := range []string{guardFlag, lifelineFlag} {
		cmd.Args = append(cmd.Args, "--"+name+"="+strconv.Itoa(3+i))
	}
	s.guard = guard
	if s.worker, err = s.family.start(cmd); err != nil {
		return nil, err
	}
	s.log.Info(workerStarted, "worker", s.worker.pid, "supervisor", os.Getpid())
	return hold, nil
}
