package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newRebalance(p process) *cobra.Command {
	var (
		o      = newOperator(p)
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "rebalance --dry-run",
		Short: "Show what nodes would move for each to bear its part, and why",
		Long: "Show what nodes would move for each to bear its part, and why. They do so by themselves, a limited number at a\n" +
			"time, once no node has come or gone for some seconds; a resource that has just moved stays for 30 s.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !dryRun {
				return exits(exitUsage, errors.New("nodes balance by themselves; give --dry-run to see what they would move"))
			}
			return o.do(o.rebalance)
		},
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show it; required, as there is nothing else to do")
	return cmd
}

func (o *operator) rebalance(ctx context.Context) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	b := s.Balance()
	if o.output == "json" {
		return o.print(b, nil)
	}
	rows := [][]string{{"NODE", "WEIGHT", "LOAD", "AFTER"}}
	for _, share := range b.Shares {
		rows = append(rows, []string{share.Node, number(share.Weight), number(share.Load), number(share.After)})
	}
	if _, err := o.stdout.Write(table(rows)); err != nil {
		return err
	}
	if b.Waits != "" {
		fmt.Fprintf(o.stdout, "\nNothing moves now: %s.\n", b.Waits)
	}
	if len(b.Moves) == 0 {
		_, err := fmt.Fprintln(o.stdout, "\nNothing is to move: each node bears its part.")
		return err
	}
	_, err = fmt.Fprintf(o.stdout, "\nTo move, %s:\n%s", howMany(len(b.Moves)), table(moveRows(b.Moves)))
	return err
}

func moveRows(moves []cluster.Move) [][]string {
	rows := [][]string{{"RESOURCE", "WEIGHT", "FROM", "TO", "WHY"}}
	for _, m := range moves {
		rows = append(rows, []string{m.Key.String(), number(m.Weight), m.From, m.To, m.Why})
	}
	return rows
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
