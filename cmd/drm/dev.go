package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// devOptions are the flags of drm dev.
type devOptions struct {
	count              int
	dataDir            string
	etcdListen, listen string
	demo               bool
	restart            time.Duration
	ttl                time.Duration
	logLevel           string
}

func newDev(p process) *cobra.Command {
	o := &devOptions{logLevel: "warn"}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster on this machine, with an etcd of its own, to try things on",
		Long: "Run a whole cluster on this machine: an etcd inside this process, and nodes as processes of their own, which\n" +
			"can be killed to see what happens. Resources may connect to this machine. Not for production.",
		Example: "  drm dev --demo",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return runDev(p, o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.count, "nodes", 3, "how many nodes")
	f.StringVar(&o.dataDir, "data-dir", "", "where etcd keeps its state (default: in a directory that is removed in the end)")
	f.StringVar(&o.etcdListen, "etcd-listen", defaultEndpoints, "where etcd listens; port 0 for any that is free")
	f.StringVar(&o.listen, "listen", defaultListen, "where the first node listens, the others on the ports after it; port 0 for any that are free")
	f.BoolVar(&o.demo, "demo", false, "put a dozen websockets on a local feed, and show who holds what as it changes")
	f.DurationVar(&o.restart, "restart", 5*time.Second, "start a node that ended again after this long; 0 for never")
	f.DurationVar(&o.ttl, "ttl", 8*time.Second, "the nodes' --ttl")
	f.Var(oneOf(&o.logLevel, "debug", "info", "warn", "error"), logLevelFlag, "the least that is shown of the nodes' logs")
	return cmd
}

// dev is a dev cluster. Its loop owns everything here.
type dev struct {
	devOptions
	etcdAddress string
	began       time.Time
	screen      *screen
	etcd        *devEtcd
	feed        *feed
	board       *board
	launcher    *launcher
	nodes       []*devNode
	welcomed    bool // the banner is shown

	leavingSince time.Time
}

func runDev(p process, o *devOptions) error {
	if o.count < 1 || o.count > 100 {
		return exits(exitConfig, fmt.Errorf("--nodes is %d; it must be from 1 to 100", o.count))
	}
	program, err := os.Executable()
	if err != nil {
		return exits(exitError, fmt.Errorf("find this program: %w", err))
	}
	d := &dev{devOptions: *o, began: time.Now(), screen: newScreen(p.stdout)}
	if err := d.choosePorts(); err != nil {
		return exits(exitError, err)
	}
	if d.etcd, err = startEtcd(d.etcdAddress, d.dataDir); err != nil {
		return exits(exitError, err)
	}
	defer d.etcd.close()
	if d.feed, err = startFeed("127.0.0.1:0"); err != nil {
		return exits(exitError, err)
	}
	defer d.feed.close()
	d.board = newBoard(d.screen, d.feed, d.names())
	if d.launcher, err = newLauncher(program, d.nodeFlags()); err != nil {
		return exits(exitError, err)
	}
	defer d.launcher.close()
	return exits(exitError, d.loop(p.signals))
}

// choosePorts finds out, before anything is started, whether all addresses can be had.
func (d *dev) choosePorts() error {
	var held []net.Listener // all together, so that no port is chosen twice
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	reserve := func(address, flag string) (string, error) {
		listener, err := listenFirst(address, flag)
		if err != nil {
			return "", err
		}
		held = append(held, listener)
		return listener.Addr().String(), nil
	}
	address, err := reserve(d.etcdListen, "etcd-listen")
	if err != nil {
		return err
	}
	d.etcdAddress = address
	for i := range d.count {
		address, err := nthPort(d.listen, i)
		if err != nil {
			return err
		}
		if address, err = reserve(address, "listen"); err != nil {
			return err
		}
		d.nodes = append(d.nodes, &devNode{name: fmt.Sprintf("node-%d", i+1), listen: address})
	}
	return nil
}

// nthPort is the address with n added to its port; port 0, which stands for any, stays.
func nthPort(address string, n int) (string, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("--listen: %w; write host:port, such as %s", err, defaultListen)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port+n > 65535 {
		return "", fmt.Errorf("--listen: port %s can't be used; it must be a number, and with one for each node at most 65535", text)
	}
	if port != 0 {
		port += n
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// listenFirst finds out whether an address can be listened on.
func listenFirst(address, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener, nil
	}
	var system syscall.Errno
	if errors.As(err, &system) {
		err = system // the rest of the error repeats the address
	}
	return nil, fmt.Errorf("%s: %w; end what runs there, or choose another address with --%s (port 0 takes any that is free)",
		address, err, flag)
}

func (d *dev) names() []string {
	var names []string
	for _, n := range d.nodes {
		names = append(names, n.name)
	}
	return names
}

// nodeFlags are the flags of "drm run" that all nodes have.
func (d *dev) nodeFlags() []string {
	level := d.logLevel
	if slogLevel(level) > slog.LevelInfo {
		level = "info" // who holds what is known from the log
	}
	return []string{
		"--endpoints=http://" + d.etcdAddress, "--ttl=" + d.ttl.String(), "--drain-timeout=3s",
		"--egress-allow-loopback", "--log-format=json", "--log-level=" + level,
	}
}

// loop starts the nodes and returns when it was asked to end and all have.
func (d *dev) loop(signals <-chan os.Signal) error {
	for _, n := range d.nodes {
		if err := d.launcher.start(n); err != nil {
			return err
		}
	}
	if d.demo {
		if err := d.putDemo(); err != nil {
			return err
		}
	}
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for !d.over() {
		select {
		case line := <-d.launcher.lines:
			d.heard(line)
		case exit := <-d.launcher.exits:
			d.ended(exit)
		case e := <-d.feed.events:
			d.board.socket(e)
		case <-signals: // SIGHUP too: the terminal was closed
			d.leave()
		case err := <-d.etcd.Err():
			return fmt.Errorf("run etcd: %w", err)
		case now := <-look.C:
			if err := d.look(now); err != nil {
				return err
			}
		}
	}
	return nil
}

// over tells whether all nodes have left, or have had more than enough time to.
func (d *dev) over() bool {
	if d.leavingSince.IsZero() {
		return false
	}
	for _, n := range d.nodes {
		if !n.gone {
			return time.Since(d.leavingSince) > leavingTakes
		}
	}
	return true
}

// leavingTakes is how long nodes may take to leave; whoever is left then is killed.
const leavingTakes = 10 * time.Second

// leave asks all nodes to leave, and to stop at once when it is said again.
func (d *dev) leave() {
	if d.leavingSince.IsZero() {
		d.leavingSince = time.Now()
		d.board.hide()
		d.screen.print("\nEnding: the nodes let go of everything. Again to stop at once.")
	}
	for _, n := range d.nodes {
		if !n.gone {
			n.supervisor.signal(syscall.SIGTERM)
		}
	}
}

// ended notes that a node has ended. How its worker did has been said, unless the supervisor could not say it.
func (d *dev) ended(e nodeExit) {
	e.node.gone, e.node.since = true, time.Now()
	if !d.leavingSince.IsZero() {
		return
	}
	text := "its supervisor has ended"
	if e.status.Signaled() {
		text = fmt.Sprintf("its supervisor was ended by a signal (%v)", e.status.Signal())
	}
	if d.restart > 0 {
		text += fmt.Sprintf("; both are started again in %v", d.restart)
	}
	d.screen.print("%s  %s: %s", clock(), e.node.name, text)
	d.board.died(e.node.name, d.restart)
}

// describeWorker says how a worker ended.
func describeWorker(code int) string {
	switch {
	case code == exitOK:
		return "its worker has left in order"
	case code == exitFenced:
		return "its worker was ended: it did not renew its leases, and others may take over soon"
	case code > 128:
		return fmt.Sprintf("its worker was ended by a signal (%v)", syscall.Signal(code-128))
	}
	return fmt.Sprintf("its worker has ended with code %d", code)
}

// look does what is due by time: it starts nodes again, says how things are, and shows the banner.
func (d *dev) look(now time.Time) error {
	for _, n := range d.nodes {
		if n.gone && d.restart > 0 && d.leavingSince.IsZero() && now.Sub(n.since) >= d.restart {
			if err := d.launcher.start(n); err != nil {
				return err
			}
		}
	}
	d.welcome(now.Sub(d.began) > 5*time.Second)
	d.board.look(now)
	return nil
}

// clockLayout is how the time is written before each line.
const clockLayout = "15:04:05.000"

// clock is the time as it stands before each line.
func clock() string { return time.Now().Format(clockLayout) }
