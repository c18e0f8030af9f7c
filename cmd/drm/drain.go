package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

func newDrain(p process) *cobra.Command {
	d := &drain{operator: newOperator(p)}
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Move everything from a node to others, and give it nothing more",
		Long: "Move everything from a node to others, and give it nothing more until drm uncordon. The node lives on; what nobody else\n" +
			"can take runs on there until somebody can.\n\n" +
			"The command returns once all is done: the node has said that it asks for nothing more and holds no claim, each\n" +
			"resource that it held is claimed by another live node (or was removed), and for 2 s their new holders have noted no trouble\n" +
			"with them. What was in trouble before need not be well. Interrupting it, or its deadline, doesn't end the drain; to see how\n" +
			"it goes on, give the same command again.",
		Example: "  drm drain a --reason 'new kernel' --deadline 5m && ssh a reboot",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if d.deadline < 0 {
				return exits(exitUsage, fmt.Errorf("--deadline is %v; it must not be negative", d.deadline))
			}
			d.node = args[0]
			return d.do(d.run)
		},
	}
	f := cmd.Flags()
	d.define(f)
	f.StringVar(&d.reason, "reason", "", "why, for people to see")
	f.BoolVar(&d.wait, "wait", true, "return when all is done; else at once")
	f.DurationVar(&d.deadline, "deadline", 0, "how long to wait at most; what is left then is printed, and the code is 1 (default: no limit)")
	f.BoolVar(&d.force, "force", false, "also when some of what it holds can go nowhere else, or the node is not there")
	return cmd
}

// drain is one node's drain, as it is asked for and watched.
type drain struct {
	*operator
	node, reason string
	wait, force  bool
	deadline     time.Duration

	screen *screen
	rev    int64 // of the cordon; 0: not put yet
	progress
}

var (
	errUncordoned = errors.New("somebody has ended the drain")
	errDeadline   = errors.New("the deadline has passed")
)

func (d *drain) run(ctx context.Context) error {
	if d.deadline > 0 {
		// Not a context's own deadline: that is passed on to etcd, which would end the watch a little earlier.
		within, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(d.deadline, func() { cancel(errDeadline) })
		defer timer.Stop()
		defer cancel(nil)
		ctx = within
	}
	d.held, d.screen = map[cluster.Key]bool{}, newScreen(d.stderr)
	d.screen.footer = func() []string { return []string{d.said} }
	var more bool
	var failed error
	err := cluster.Watch(ctx, d.store, lease.Boottime, func(s *cluster.Snapshot) bool {
		if d.rev == 0 {
			more, failed = d.begin(ctx, s)
		} else {
			more, failed = d.follow(ctx, s)
		}
		return more && failed == nil
	})
	d.screen.leave()
	switch {
	case err == nil && failed == nil:
		return d.conclude()
	case d.rev != 0 && ctx.Err() != nil:
		return d.giveUp(ctx)
	}
	return errors.Join(failed, err)
}

// begin says that the node is to be drained, unless that should not be.
func (d *drain) begin(ctx context.Context, s *cluster.Snapshot) (more bool, err error) {
	if _, err := findNode(s, d.node, d.force); err != nil {
		return false, err
	}
	before := s.Cordons()[d.node]
	if bound := s.Bound(d.node); len(bound) > 0 && !d.force && !before.Drain {
		return false, fmt.Errorf("%s can't be drained: of the %s that it holds, %d can go nowhere else:%s\n"+
			"--force drains it all the same: these run on there until another node can take them",
			d.node, howMany(len(s.Held(d.node))), len(bound), byReason(bound))
	}
	d.note(s, d.node)
	if d.before, err = d.troubles(ctx, s.Held(d.node)); err != nil {
		return false, err
	}
	d.rev, err = d.put(ctx, cluster.CordonPath(d.node), mark(before, d.reason, true))
	return d.wait, err
}

// byReason says why resources can go nowhere, a line for each reason with an example.
func byReason(bound []cluster.PendingInfo) string {
	count, example := map[string]int{}, map[string]cluster.PendingInfo{}
	for _, p := range slices.Backward(bound) {
		count[p.Reason]++
		example[p.Reason] = p
	}
	var lines strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&lines, "\n  %d %s, such as %s: %s", count[reason], reason, example[reason].Key, plain(example[reason].Detail))
	}
	return lines.String()
}

// follow looks how far the drain has come, and tells whether there is more to wait for.
func (d *drain) follow(ctx context.Context, s *cluster.Snapshot) (more bool, err error) {
	if s.Rev() < d.rev {
		return true, nil
	}
	if !s.Cordons()[d.node].Drain {
		return false, fmt.Errorf("drain %s: %w; %s", d.node, errUncordoned, d.said)
	}
	now := time.Now()
	here := d.note(s, d.node)
	if now.Sub(d.surveyed) < surveyEvery && (here > 0 || !d.settled.IsZero()) {
		return true, nil
	}
	d.survey(s, d.node, now)
	well := false
	if !d.settled.IsZero() && (len(d.held) == 0 || now.Sub(d.settled) >= wellAfter) && now.Sub(d.looked) >= time.Second {
		troubles, err := d.troubles(ctx, slices.Collect(maps.Keys(d.held)))
		if err != nil {
			return false, err
		}
		d.looked = now
		well = d.judge(troubles)
	}
	if text := d.text(d.node); text != d.said {
		d.said = text
		if d.screen.tty == nil {
			d.screen.print("%s", text)
		}
	}
	d.screen.refresh()
	return !well, nil
}

// conclude says what was done.
func (d *drain) conclude() error {
	if !d.wait {
		_, err := fmt.Fprintf(d.stdout, "%s is being drained of %s; the same command without --wait=false waits for it\n",
			d.node, howMany(len(d.held)))
		return err
	}
	said := d.node + " is drained: it held nothing"
	if len(d.held) > 0 {
		said = fmt.Sprintf("%s is drained of %s: %s", d.node, howMany(len(d.held)), d.elsewhere())
	}
	if d.ill > 0 {
		said += fmt.Sprintf("; in trouble as before: %d", d.ill)
	}
	_, err := fmt.Fprintln(d.stdout, said)
	return err
}

// giveUp says what is left when nobody waits any longer. The drain goes on.
func (d *drain) giveUp(ctx context.Context) error {
	why := "interrupted"
	if errors.Is(context.Cause(ctx), errDeadline) {
		why = fmt.Sprintf("not done within %v", d.deadline)
	}
	rows := [][]string{{"LEFT", "WHY"}}
	for _, key := range slices.SortedFunc(maps.Keys(d.left), cluster.Key.Compare) {
		rows = append(rows, []string{key.String(), d.left[key]})
	}
	if len(rows) > 1 {
		if _, err := d.stdout.Write(table(rows)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %s\nThe drain goes on: give the same command to see how, or drm uncordon %s to end it", why, d.said, d.node)
}
