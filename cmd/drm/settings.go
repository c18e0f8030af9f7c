package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/drm-cluster/drm/cluster"
)

const (
	defaultListen = "127.0.0.1:7376"
	// defaultBacklog is half of what trim/topics keeps by default: publishers are to wait before anything is deleted that is needed.
	defaultBacklog = 50_000

	guardFlag    = "guard"
	lifelineFlag = "lifeline"
	logLevelFlag = "log-level"
)

// settings are what "drm run" is told by its flags; supervisor and worker get the same.
type settings struct {
	etcdSettings
	node, zone          string
	labels              pairs
	capacity            *int64
	weight              int64
	listen, debugListen string
	hosts               list
	ttl, drainTimeout   time.Duration
	maxBacklog          int
	egressPrivate       bool
	sinkDir             string
	egressLoopback      bool
	logFormat, logLevel string
	lifelineFD, guardFD int
}

// define adds the flags of a node.
func (s *settings) define(f *pflag.FlagSet) {
	s.etcdSettings.define(f)
	s.logFormat, s.logLevel = "text", "info"
	f.StringVar(&s.node, "node", "", "this node's id, the same after a restart (default: the host name)")
	f.StringVar(&s.zone, "zone", "", "where this node is, for people to see")
	f.Var(&s.labels, "label", "what resources may require of a node: key=value, repeated or with commas between")
	f.Var(limit{&s.capacity}, "capacity", "the most this node holds, as a sum of resource weights (default: no limit)")
	f.Int64Var(&s.weight, "weight", cluster.StandardWeight, "this node's share of the load, relative to the others': from 1 to 1000")
	f.StringVar(&s.listen, "listen", defaultListen, "where to serve health, metrics and the API")
	f.Var(&s.hosts, "allow-host", "further Host names that HTTP requests may name, with commas between them")
	f.StringVar(&s.debugListen, "debug-listen", "", "where to serve pprof, on a loopback address (default: nowhere)")
	f.DurationVar(&s.ttl, "ttl", 8*time.Second, "how long etcd waits for a lost machine before others take over")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 20*time.Second, "how long handing everything off may take when leaving")
	f.IntVar(&s.maxBacklog, "max-backlog", defaultBacklog, "events of a topic that may wait for webhooks before publishing over HTTP is answered with 429; 0: any number")
	f.StringVar(&s.sinkDir, "sink-dir", "", "directory below which sinks of type file may write; empty: nowhere")
	f.BoolVar(&s.egressPrivate, "egress-allow-private", false, "let resources connect to private networks")
	f.BoolVar(&s.egressLoopback, "egress-allow-loopback", false, "let resources connect to this machine")

	f.Var(oneOf(&s.logFormat, "text", "json"), "log-format", "of the log: text or json")
	f.Var(oneOf(&s.logLevel, "debug", "info", "warn", "error"), logLevelFlag, "the least that is logged: debug, info, warn or error")
	f.StringVar(&s.envFile, envFileFlag, "", "file of DRM_ variables; SIGHUP reads the log level from it again")

	f.IntVar(&s.lifelineFD, lifelineFlag, 0, "file descriptor of the pipe from the process that started this one")
	f.IntVar(&s.guardFD, guardFlag, 0, "file descriptor of the pipe to the supervisor")
	for _, name := range []string{lifelineFlag, guardFlag} {
		_ = f.MarkHidden(name)
		_ = f.SetAnnotation(name, internalFlag, []string{"true"})
	}
}

// complete fills in what depends on the machine and says what can't work.
func (s *settings) complete() error {
	if s.node == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("read the host name: %w; give --node", err)
		}
		s.node = name
	}
	if err := cluster.CheckID(s.node); err != nil {
		return fmt.Errorf("--node: %w", err)
	}
	if s.ttl < 0 || s.ttl > time.Hour {
		return fmt.Errorf("--ttl is %v; it must be positive and at most 1h", s.ttl)
	}
	if s.drainTimeout < 0 {
		return fmt.Errorf("--drain-timeout is %v; it must not be negative", s.drainTimeout)
	}
	if s.weight < 1 || s.weight > cluster.MaxWeight {
		return fmt.Errorf("--weight is %d; it must be from 1 to %d", s.weight, cluster.MaxWeight)
	}
	if s.maxBacklog < 0 {
		return fmt.Errorf("--max-backlog is %d; it must not be negative", s.maxBacklog)
	}
	if _, _, err := net.SplitHostPort(s.listen); err != nil {
		return fmt.Errorf("--listen: %w; write host:port, such as %s", err, defaultListen)
	}
	return nil
}

// arguments are the flags of the command line, for the worker to get the same. What came from variables and from
// the env file it reads itself: a password must not end up among arguments, which everybody can see.
func (s *settings) arguments() []string {
	var args []string
	s.flags.Visit(func(f *pflag.Flag) {
		if bindable(f) {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	return args
}

// level is the log level as it is now: a flag or a variable decides for good, the env file when it is read.
func (s *settings) level() (slog.Level, error) {
	var fixed bool
	s.flags.Visit(func(f *pflag.Flag) { fixed = fixed || f.Name == logLevelFlag })
	if fixed || s.env[envName(logLevelFlag)] != "" || s.envFile == "" {
		return slogLevel(s.logLevel), nil
	}
	file, err := parseEnvFile(s.envFile)
	if err != nil {
		return 0, fmt.Errorf("read --env-file: %w", err)
	}
	level := s.flags.Lookup(logLevelFlag)
	if err := level.Value.Set(cmp.Or(file[envName(logLevelFlag)], level.DefValue)); err != nil {
		return 0, fmt.Errorf("read %s in %s: %w", envName(logLevelFlag), s.envFile, err)
	}
	return slogLevel(s.logLevel), nil
}
