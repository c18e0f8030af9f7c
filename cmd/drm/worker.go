package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/api"
	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/metrics"
	"github.com/drm-cluster/drm/resources/trim"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/resources/websocket"
	"github.com/drm-cluster/drm/state"
)

func newWorker(p process) *cobra.Command {
	s := &settings{etcdSettings: etcdSettings{env: variables(p.env)}}
	cmd := &cobra.Command{
		Use:    "worker",
		Short:  "The part of a node that holds resources; started by drm run",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if s.guardFD == 0 {
				return exits(exitUsage, errors.New("drm worker is started by drm run only"))
			}
			return work(p, s)
		},
	}
	s.define(cmd.Flags())
	return cmd
}

// garbage is how much memory a worker lets go to waste before it collects, in percent of what is in use; Go's own is 100. A node
// keeps what it knows and the connections that it holds, and makes little garbage beside them, so it pays with memory for what would
// cost it little time.
const garbage = 50

// lastWord is how long a log may take for the line before the process is ended.
const lastWord = 50 * time.Millisecond

// worker is a node's worker: the loop of package cluster and all that it is wired to.
type worker struct {
	*node
	metrics  *metrics.Metrics
	store    *lease.Store
	topics   *events.Log
	book     *state.Book
	sockets  *websocket.Runner
	tidier   *tidier
	gate     *trim.Gate
	loop     *cluster.Loop
	burst    burst
	abort    chan struct{} // closed to end without handing off
	listener net.Listener
}

// work runs the worker until it is asked to end, by a signal or by the end of its supervisor.
func work(p process, s *settings) (err error) {
	n, err := openNode(p, s)
	if err != nil {
		return err
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbage)
	}
	gone, release, err := openLifeline(s.lifelineFD)
	if err != nil {
		return exits(exitError, err)
	}
	defer release()
	guard, err := openGuard(s.guardFD)
	if err != nil {
		return exits(exitError, err)
	}
	guard.tell(cluster.Guarded{}) // from now on signals do what they should, and the supervisor may pass them on
	w := &worker{node: n, abort: make(chan struct{})}
	w.observeLogs()
	endpoints, err := w.openStore()
	if err != nil {
		return exits(exitConfig, err)
	}
	defer w.store.Close()
	w.listener, err = net.Listen("tcp", w.listen)
	if err != nil {
		return exits(exitError, fmt.Errorf("serve HTTP: %w; choose another address with --listen", err))
	}
	defer w.listener.Close()
	w.topics = events.Open(w.store, events.Options{Log: w.log})
	w.gate = trim.NewGate(w.topics, w.store, w.maxBacklog, w.log)
	w.tidier = newTidier(w.store, w.log)
	w.book = state.Open(w.store, state.Options{Wrote: w.metrics.Wrote, Opened: w.tidier.need, Log: w.log})
	lines := newEventLog(w.log)
	lines.asked = w.ttl
	defer lines.close()
	kinds, endKinds := w.kinds(p.stdout, endpoints)
	defer endKinds()
	if err := w.newLoop(kinds, guard, lines); err != nil {
		return exits(exitConfig, err)
	}
	return exits(exitError, w.serve(p.signals, gone))
}

// observeLogs makes the log count its lines.
func (w *worker) observeLogs() {
	b := thisBuild()
	w.metrics = metrics.New(metrics.Options{
		Node: w.node.node, Version: b.Version, Revision: b.Revision, Kinds: kindNames, Log: w.log,
	})
	w.logTo(w.metrics.CountLogs(w.handler))
}

// openStore prepares the connection to etcd and returns the endpoints.
func (w *worker) openStore() (endpoints []string, err error) {
	cfg, err := w.etcd(w.log)
	if err != nil {
		return nil, err
	}
	cfg.Observe, cfg.Notice = w.metrics.Request, w.metrics.WatchRestart
	w.store, err = lease.Open(cfg)
	return cfg.Endpoints, err
}

// newLoop makes the loop out of all the parts.
func (w *worker) newLoop(kinds map[string]cluster.Runner, guard *guardWriter, lines *eventLog) error {
	life, err := lease.Self()
	if err != nil {
		w.log.Warn("a crash of this node together with its supervisor can't be proven to the next one", "err", err)
	}
	w.loop, err = cluster.New(cluster.Config{
		Self: cluster.Node{
			ID: w.node.node, Version: thisBuild().Version, Zone: w.zone, Labels: w.labels,
			Capacity: w.capacity, Weight: w.weight, Address: w.address(), Life: life,
		},
		Store:        w.store,
		Runners:      kinds,
		Clock:        lease.Boottime,
		TTL:          w.ttl,
		DrainTimeout: w.drainTimeout,
		Abort:        w.abort,
		Judge:        lease.Judge,
		Guard:        guard.tell,
		Observe: func(e cluster.Event) {
			w.metrics.Observe(e)
			w.burst.observe(e)
			lines.observe(e)
		},
		Exit: w.exit,
	})
	if err != nil {
		return err
	}
	w.metrics.Collect(w.loop.Stats)
	w.metrics.CollectBacklog(w.topics.Unread)
	return nil
}

// exit ends the process, with a last word if the log takes it at once: a runner goes on that nobody may trust.
func (w *worker) exit(err error) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		w.log.Error("fenced; ending the process", "err", err)
	}()
	select {
	case <-said:
	case <-time.After(lastWord):
	}
	os.Exit(exitFenced)
}

// full says that a topic takes no more events for now.
func (w *worker) full(ctx context.Context, topic string) error {
	if w.maxBacklog == 0 {
		return nil
	}
	return w.gate.Full(ctx, topic)
}

// http is what the node serves.
func (w *worker) http() http.Handler {
	return api.New(api.Options{
		Cluster: api.Cluster{
			Stats:     w.loop.Stats,
			Info:      w.loop.Cluster,
			Resource:  w.loop.Resource,
			Resources: w.loop.Resources,
			Commit:    w.store.Commit,
		},
		Publish: w.tidier.publish,
		Full:    w.full,
		Look: func(ctx context.Context, topic string, after *events.Position, most int) (events.Excerpt, error) {
			return events.Look(ctx, w.store, topic, after, most)
		},
		Send:         w.sockets.Send,
		Webhooks:     webhook.NewOperator(w.store),
		Metrics:      w.metrics.Handler(),
		Node:         w.node.node,
		Version:      thisBuild().Version,
		Prefix:       w.prefix,
		AllowedHosts: w.hosts,
		Log:          w.log,
	})
}

// address is where others reach this node's HTTP server, as far as can be told from here.
func (w *worker) address() string {
	host, port, err := net.SplitHostPort(w.listener.Addr().String())
	if err != nil {
		return w.listen
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

// serve runs the loop and the HTTP servers until the loop has ended.
func (w *worker) serve(signals <-chan os.Signal, gone <-chan struct{}) error {
	leave, drain := context.WithCancel(context.Background())
	defer drain()
	serving, shut := context.WithCancel(context.Background())
	var servers sync.WaitGroup
	defer servers.Wait()
	defer shut()
	failed := make(chan error, 4)
	servers.Go(func() { w.burst.run(serving) })
	servers.Go(func() { failed <- w.topics.Run(serving) })
	servers.Go(func() { failed <- w.book.Run(serving) })
	servers.Go(func() { w.tidier.run(serving) })
	servers.Go(func() { failed <- api.Serve(serving, w.listener, w.http()) })
	if w.debugListen != "" {
		servers.Go(func() { failed <- api.Debug(serving, w.debugListen) })
	}
	ended := make(chan error, 1)
	go func() { ended <- w.loop.Run(leave) }()
	var broken error
	for asked := 0; ; {
		select {
		case err := <-ended:
			return errors.Join(broken, err)
		case err := <-failed:
			w.log.Error("a part of the node ended; leaving", "err", err)
			broken = err
			drain()
		case <-gone:
			gone = nil
			w.log.Warn("the supervisor is gone; leaving")
			drain()
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				w.reload(w.store)
				continue
			}
			if asked++; asked == 2 {
				close(w.abort)
			}
			drain()
		}
	}
}
