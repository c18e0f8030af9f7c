package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newNodes(p process) *cobra.Command {
	o := newOperator(p)
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "Show the nodes and what they hold",
		Long: "Show the nodes and what they hold. LOAD is the sum of the weights of what a node holds and of what is on its way to it.\n" +
			"States: ready; cordoned (it is given nothing); draining (what it holds goes elsewhere); leaving (the same, and then it\n" +
			"ends); gone (its leases have not ended yet); absent (it is not there, and cordoned for when it comes).",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.do(o.nodes) },
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	return cmd
}

func (o *operator) nodes(ctx context.Context) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	nodes := s.Cluster().Nodes
	cordons := s.Cordons()
	for _, n := range nodes {
		delete(cordons, n.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(cordons)) {
		c := cordons[id]
		nodes = append(nodes, cluster.NodeInfo{ID: id, State: "absent", Cordon: &c})
	}
	rows := [][]string{{"NODE", "STATE", "HELD", "LOAD", "WEIGHT", "ZONE", "LABELS", "KINDS", "ADDRESS", "REASON"}}
	for _, n := range nodes {
		rows = append(rows, []string{
			n.ID, n.State, strconv.Itoa(n.Held), load(n.Load, n.Capacity), strconv.FormatInt(n.Weight, 10), n.Zone,
			labels(n.Labels), strings.Join(n.Kinds, ","), n.Address, whySo(n),
		})
	}
	return o.print(nodes, rows)
}

// load is what a node bears, of how much it can.
func load(n int64, capacity *int64) string {
	if capacity == nil {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d of %d", n, *capacity)
}

func labels(all map[string]string) string {
	p := pairs(all)
	return p.String()
}

// whySo says why a node is given less than its part.
func whySo(n cluster.NodeInfo) string {
	switch c := n.Cordon; {
	case c == nil && n.Ailing != nil:
		return fmt.Sprintf("%s (%s)", n.Ailing.Reason, ago(n.Ailing.Since))
	case c == nil:
		return ""
	case c.Since.IsZero():
		return c.Reason
	default:
		return fmt.Sprintf("%s (%s)", cmp.Or(c.Reason, "none given"), ago(c.Since))
	}
}

// ago says how long ago something was, as exactly as people want it.
func ago(t time.Time) string {
	d := max(time.Since(t), 0)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String() + " ago"
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s") + " ago"
	}
	return fmt.Sprintf("%d days ago", int(d.Hours())/24)
}
