package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newCordon(p process) *cobra.Command {
	var (
		o      = newOperator(p)
		reason string
		force  bool
	)
	cmd := &cobra.Command{
		Use:   "cordon NODE",
		Short: "Give a node nothing more; what it holds stays with it",
		Long: "Give a node nothing more, until drm uncordon; what it holds stays with it. A node that is being drained keeps\n" +
			"what is still there. The cordon outlives restarts of the node.",
		Example: "  drm cordon a --reason 'disk to be replaced'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.do(func(ctx context.Context) error { return o.cordon(ctx, args[0], reason, force) })
		},
	}
	o.define(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people to see")
	cmd.Flags().BoolVar(&force, "force", false, "also a node that is not there, for when it comes")
	return cmd
}

func (o *operator) cordon(ctx context.Context, node, reason string, force bool) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	info, err := findNode(s, node, force)
	if err != nil {
		return err
	}
	before := s.Cordons()[node]
	if _, err := o.put(ctx, cluster.CordonPath(node), mark(before, reason, false)); err != nil {
		return err
	}
	said := fmt.Sprintf("%s is cordoned", node)
	if before.Drain {
		said += ", and its drain ended"
	}
	if info.Held > 0 {
		said += fmt.Sprintf(": it keeps the %s that it holds", howMany(info.Held))
	}
	_, err = fmt.Fprintln(o.stdout, said)
	return err
}

// mark is the cordon to put on a node: what was said of it before stands, as long as nothing else is said now.
func mark(before cluster.Cordon, reason string, drain bool) cluster.Cordon {
	c := before
	if c.Drain = drain; reason != "" {
		c.Reason = reason
	}
	if c.Since.IsZero() || before.Drain != drain {
		c.Since = time.Now().UTC().Truncate(time.Second)
	}
	return c
}

// findNode returns a node; when forced, also one that is not there.
func findNode(s *cluster.Snapshot, node string, force bool) (cluster.NodeInfo, error) {
	if err := cluster.CheckID(node); err != nil {
		return cluster.NodeInfo{}, exits(exitUsage, fmt.Errorf("node: %w", err))
	}
	info, there := s.Node(node)
	if !there && !force {
		return info, fmt.Errorf("%w; --force marks it all the same, for when it comes", unknownNode(s, node))
	}
	return info, nil
}

func newUncordon(p process) *cobra.Command {
	o := newOperator(p)
	cmd := &cobra.Command{
		Use:   "uncordon NODE",
		Short: "Let a node take its part again; ends a drain too",
		Long: "Let a node take its part again. It is given what waits for a node like it at once, and its part of the rest by\n" +
			"balancing, within some seconds. A drain that is under way ends: what the node still holds stays.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return o.do(func(ctx context.Context) error { return o.uncordon(ctx, args[0]) })
		},
	}
	o.define(cmd.Flags())
	return cmd
}

func (o *operator) uncordon(ctx context.Context, node string) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	_, cordoned := s.Cordons()[node]
	_, there := s.Node(node)
	switch {
	case !cordoned && !there:
		return unknownNode(s, node)
	case !cordoned:
		_, err = fmt.Fprintf(o.stdout, "%s was not cordoned\n", node)
		return err
	}
	if _, err := o.put(ctx, cluster.CordonPath(node), nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.stdout, "%s is uncordoned\n", node)
	return err
}
