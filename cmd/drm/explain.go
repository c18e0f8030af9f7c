package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
)

func newExplain(p process) *cobra.Command {
	o := newOperator(p)
	cmd := &cobra.Command{
		Use:   "explain KIND/ID",
		Short: "Say why a resource is where it is, or why it is nowhere",
		Long: "Say why a resource is where it is, or why it is nowhere: the plan that all nodes make, made again from what is in etcd,\n" +
			"with what speaks against each node.",
		Example: "  drm explain websocket/btc",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := keysOf(args)
			if err != nil {
				return exits(exitUsage, err)
			}
			return o.do(func(ctx context.Context) error { return o.explain(ctx, keys[0]) })
		},
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	return cmd
}

// explained is all that can be said of a resource: by the plan, by its claim, and by its holder.
type explained struct {
	cluster.Explanation
	SpecRev int64               `json:"spec_revision,string"`
	Epoch   int64               `json:"epoch,string,omitempty"`
	Claim   *cluster.ClaimValue `json:"claim,omitempty"`
	Status  *noted              `json:"status,omitempty"`
}

// noted is what a holder has noted of trouble.
type noted struct {
	cluster.Status
	Epoch   int64 `json:"epoch,string"`
	SpecRev int64 `json:"spec_revision,string,omitempty"`
}

func (o *operator) explain(ctx context.Context, key cluster.Key) error {
	s, err := o.look(ctx)
	if err != nil {
		return err
	}
	e, known := s.Explain(key)
	if !known {
		return o.unknownResource(s, key)
	}
	answer, err := o.store.Commit(ctx, []cluster.Op{{Read: []string{cluster.ClaimPath(key), cluster.StatusPath(key)}}})
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	all := explained{Explanation: e, SpecRev: e.SpecRev, Epoch: e.Epoch}
	claim, status := answer.Results[0].Read[0], answer.Results[0].Read[1]
	if !claim.Deleted && claim.Rev == e.Epoch {
		_ = json.Unmarshal(claim.Value, &all.Claim) // one written by hand says nothing more
	}
	var trouble cluster.Status
	if !status.Deleted && json.Unmarshal(status.Value, &trouble) == nil {
		all.Status = &noted{trouble, trouble.Epoch, trouble.SpecRev}
		all.ResourceInfo = tell(e.ResourceInfo, trouble).ResourceInfo
	}
	if o.output == "json" {
		return o.print(all, nil)
	}
	_, err = fmt.Fprintf(o.stdout, "%s\n%s", table(all.facts()), table(all.verdicts()))
	return err
}

// facts are what is known of the resource, a line each.
func (e *explained) facts() [][]string {
	where := e.State
	if e.Holder != "" {
		where = fmt.Sprintf("%s, by %s since revision %d", e.State, e.Holder, e.Epoch)
	}
	rows := [][]string{{e.Key.String(), where}, {"why", e.Why}}
	if c := e.Claim; c != nil && c.From != "" {
		came := "handed off by " + c.From
		if c.Stopped != nil {
			came += ", " + ago(*c.Stopped)
		}
		rows = append(rows, []string{"came", came})
	}
	if p := e.Pending; p != nil {
		rows = append(rows, []string{"reason", p.Reason})
	}
	if e.Status != nil {
		rows = append(rows, e.Status.facts(e.ResourceInfo)...)
	}
	if len(e.Requires) > 0 {
		rows = append(rows, []string{"requires", labels(e.Requires)})
	}
	if len(e.Prefers) > 0 {
		rows = append(rows, []string{"prefers", labels(e.Prefers)})
	}
	return append(rows, []string{"weight", strconv.FormatInt(e.Weight, 10)})
}

// facts are what a holder has noted, a line each.
func (n *noted) facts(info cluster.ResourceInfo) [][]string {
	trouble := n.State + ": " + n.Error
	if !n.Of(info) {
		trouble = "noted by " + n.Node + ": " + trouble
	}
	rows := [][]string{{"trouble", trouble}}
	if n.Attempts > 0 {
		tries := fmt.Sprintf("%d in vain, since %s", n.Attempts, ago(n.Since))
		if next := time.Until(n.NextTry); next > 0 {
			tries += fmt.Sprintf("; the next in %s", next.Round(time.Second))
		}
		rows = append(rows, []string{"tries", tries})
	}
	if len(n.Tried) > 0 {
		rows = append(rows, []string{"tried on", strings.Join(n.Tried, ", ")})
	}
	return rows
}

// verdicts are what can be said of each node.
func (e *explained) verdicts() [][]string {
	rows := [][]string{{"NODE", "LOAD BESIDE IT", "WEIGHT", "VERDICT"}}
	for _, n := range e.Nodes {
		verdict := "could have it"
		switch {
		case n.Holds && n.Fits:
			verdict = "holds it"
		case n.Holds:
			verdict = "holds it; would not be given it: " + strings.Join(n.Against, "; ")
		case !n.Fits:
			verdict = strings.Join(n.Against, "; ")
		case n.Node == e.Target:
			verdict = "is to have it"
		}
		if n.Last && n.Fits {
			verdict += "; others have more of what it prefers"
		}
		rows = append(rows, []string{n.Node, load(n.Load, n.Capacity), strconv.FormatInt(n.Weight, 10), verdict})
	}
	return rows
}
