package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/measure"
)

const (
	// benchWithin bounds a run, and scratchTTL how long its keys stay when it is killed.
	benchWithin = 5 * time.Minute
	scratchTTL  = benchWithin + time.Minute
	// tidyWithin bounds the removal of what is left, also after an interrupt.
	tidyWithin = 20 * time.Second

	mostBenchNodes     = 100
	mostBenchResources = 1_000_000
)

// bench is "drm bench": what a user's own etcd is good for.
type bench struct {
	*operator
	nodes, resources int
	ttl              time.Duration
	scratch          string
	warnings         []string
}

func newBench(p process) *cobra.Command {
	b := &bench{operator: newOperator(p)}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast an etcd lets nodes claim and take over, and whether the TTL suits it",
		Long: "Measure how fast an etcd lets nodes claim and take over, and whether the TTL suits it. Nodes run inside this process, on keys\n" +
			"below a random prefix of their own; whatever is in etcd is left alone, and what is put there is removed in the end, also after\n" +
			"an interrupt. All of it is on leases: if this process is killed, etcd removes it after 6m at most.\n\n" +
			"It keeps etcd busy for some seconds. On a cluster in production choose a calm hour, or fewer --resources.",
		Example: "  drm bench --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379 --ttl 5s",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return b.do() },
	}
	f := cmd.Flags()
	b.defineConnection(f)
	f.StringVar(&b.envFile, envFileFlag, "", "file of DRM_ variables")
	b.defineOutput(f)
	f.IntVar(&b.nodes, "nodes", 3, "how many nodes")
	f.IntVar(&b.resources, "resources", 10_000, "how many resources they hold")
	f.DurationVar(&b.ttl, "ttl", 8*time.Second, "the --ttl that nodes are to have")
	f.StringVar(&b.scratch, "scratch", "", "prefix to work below, where no keys may be (default: /drm-bench- and random letters)")
	return cmd
}

func (b *bench) check() error {
	switch {
	case b.nodes < 2 || b.nodes > mostBenchNodes:
		return fmt.Errorf("--nodes is %d; it must be from 2 to %d: one crashes, and the others take over", b.nodes, mostBenchNodes)
	case b.resources < 1 || b.resources > mostBenchResources:
		return fmt.Errorf("--resources is %d; it must be from 1 to %d", b.resources, mostBenchResources)
	case b.ttl <= 0 || b.ttl > time.Hour:
		return fmt.Errorf("--ttl is %v; it must be positive and at most 1h", b.ttl)
	}
	return nil
}

// do measures while etcd can be reached and nobody asks the process to end.
func (b *bench) do() error {
	log := slog.New(newLog(b.stderr, "text", slog.LevelError)) // what matters of the rest is among the figures
	cfg, err := b.etcd(log)
	if err := cmp.Or(b.check(), err); err != nil {
		return exits(exitConfig, err)
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // it never returns an error
	cfg.Prefix = cmp.Or(b.scratch, "/drm-bench-"+hex.EncodeToString(random)+"/")
	if b.store, err = lease.Open(cfg); err != nil {
		return exits(exitConfig, err)
	}
	defer b.store.Close()
	return b.interruptible(func(ctx context.Context) error {
		warnings, err := b.store.Check(ctx)
		if err := reached(ctx, err, cfg); err != nil {
			return b.advise(err)
		}
		b.warnings = warnings
		client, err := measure.Client(cfg)
		if err != nil {
			return exits(exitConfig, err)
		}
		defer client.Close()
		scratch := &measure.Scratch{Client: client, Prefix: cfg.Prefix, TTL: scratchTTL}
		if keys, err := scratch.Keys(ctx); err != nil || keys > 0 {
			return exits(exitConfig, cmp.Or(err, fmt.Errorf("below %s are %d keys already; give a --scratch where none are", cfg.Prefix, keys)))
		}
		ctx, cancel := context.WithTimeout(ctx, benchWithin)
		defer cancel()
		r, err := b.measure(ctx, cfg, scratch)
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			err = fmt.Errorf("not done within %v; give fewer --resources: %w", benchWithin, err)
		}
		if err == nil {
			err = b.report(r)
		}
		return exits(exitError, err)
	})
}

// advise adds what else can be done about a prefix that the user may not write.
func (b *bench) advise(err error) error {
	var coded *codedError
	if errors.Is(err, cluster.ErrRefused) && errors.As(err, &coded) && b.scratch == "" {
		coded.err = fmt.Errorf("%w; or name a prefix that the user may write, with --scratch", coded.err)
	}
	return err
}

// measure measures, and removes what it put into etcd, whatever happened.
func (b *bench) measure(ctx context.Context, cfg lease.Config, scratch *measure.Scratch) (r *figures, err error) {
	nodes := measure.NewCluster(cfg, b.ttl)
	defer func() {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
		defer cancel()
		left := errors.Join(nodes.Close(tidy), scratch.Clean(tidy))
		switch {
		case left != nil:
			err = errors.Join(err, fmt.Errorf("remove keys: %w; what is left below %s goes by itself within %v", left, cfg.Prefix, scratchTTL))
		case errors.Is(context.Cause(ctx), context.Canceled):
			err = errors.New("interrupted; nothing is left in etcd")
		}
	}()
	r = &figures{Nodes: b.nodes, Resources: b.resources, Warnings: b.warnings}
	for _, step := range []struct {
		says string
		do   func(context.Context) error
	}{
		{"reads, puts and renewals, one at a time", func(ctx context.Context) error { return r.oneAtATime(ctx, b.store, scratch) }},
		{"puts, as many as resources", func(ctx context.Context) error { return r.puts(ctx, scratch) }},
		{"claims", func(ctx context.Context) error { return r.claims(ctx, nodes, scratch) }},
		{"a crash", func(ctx context.Context) error { return r.crash(ctx, nodes) }},
	} {
		fmt.Fprintf(b.stderr, "drm bench: %s …\n", step.says)
		if err := step.do(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}
