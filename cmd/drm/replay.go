package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/state"
)

// decision is what an operator says is to become of some events.
type decision struct {
	*operator
	do                   webhook.Action
	doubt, dead, waiting bool
	since                string
	dryRun               bool
	timeout              time.Duration
}

func newReplay(p process) *cobra.Command {
	d := &decision{operator: newOperator(p), do: webhook.Replay}
	cmd := &cobra.Command{
		Use:   "replay KIND/ID [EVENT...] | --all-doubt | --all-dead | --all-waiting | --since TIME",
		Short: "Have a webhook send events now, whatever has happened to them",
		Long: "Have a webhook send events now: some by name (its id, TOPIC/ID or its ref), whether they wait, are in doubt, dead or were delivered\n" +
			"before; all in one of these states; or whatever was published since a time (1h, 2026-11-24T08:00:00Z) or a position (1041), of which what\n" +
			"is on its way, waits or is in doubt stays as it is. The count of attempts begins anew.\n\n" +
			"The node that holds the webhook does it; the command returns when that is on record. What is in doubt may have arrived: then it\n" +
			"arrives again, with the same webhook-id.",
		Example: "  drm replay webhook/shop orders/o-1\n  drm replay webhook/shop --all-dead --dry-run\n  drm replay webhook/shop --since 1h",
		Args:    cobra.MinimumNArgs(1),
		RunE:    d.run,
	}
	d.defineAll(cmd)
	cmd.Flags().StringVar(&d.since, "since", "", "all that was published since: how long ago, a time, or a position as drm publish tells it")
	return cmd
}

func newDrop(p process) *cobra.Command {
	d := &decision{operator: newOperator(p), do: webhook.Drop}
	cmd := &cobra.Command{
		Use:   "drop KIND/ID [EVENT...] | --all-doubt | --all-dead | --all-waiting",
		Short: "Have a webhook forget events that wait, are in doubt or dead",
		Long: "Have a webhook forget events that wait, are in doubt or dead: some by name (its id, TOPIC/ID or its ref), or all in one of these states.\n" +
			"The node that holds the webhook does it; the command returns when that is on record. The events stay in the log, so drm replay can\n" +
			"send one all the same for as long as they do.",
		Example: "  drm drop webhook/shop orders/o-1\n  drm drop webhook/shop --all-doubt",
		Args:    cobra.MinimumNArgs(1),
		RunE:    d.run,
	}
	d.defineAll(cmd)
	return cmd
}

func (d *decision) defineAll(cmd *cobra.Command) {
	f := cmd.Flags()
	d.define(f)
	d.defineOutput(f)
	f.BoolVar(&d.doubt, "all-doubt", false, "all that are in doubt")
	f.BoolVar(&d.dead, "all-dead", false, "all dead letters")
	f.BoolVar(&d.waiting, "all-waiting", false, "all that wait for another attempt")
	f.BoolVar(&d.dryRun, "dry-run", false, "only show which they are")
	f.DurationVar(&d.timeout, "timeout", 10*time.Second, "how long the holder may take")
}

func (d *decision) run(_ *cobra.Command, args []string) error {
	key, err := webhookOf(args[0])
	if err != nil {
		return exits(exitUsage, err)
	}
	choice, err := d.choice(args[1:])
	if err != nil {
		return exits(exitUsage, err)
	}
	return d.operator.do(func(ctx context.Context) error {
		err := d.decide(ctx, key, choice)
		if errors.Is(err, webhook.ErrWrong) {
			return exits(exitUsage, err)
		}
		return err
	})
}

// choice is which events are meant.
func (d *decision) choice(names []string) (c webhook.Choice, err error) {
	c.Events = names
	said := 0
	for state, all := range map[webhook.State]bool{webhook.InDoubt: d.doubt, webhook.Dead: d.dead, webhook.Waiting: d.waiting} {
		if all {
			c.All = state
			said++
		}
	}
	if said > 1 {
		return c, errors.New("give one of --all-doubt, --all-dead and --all-waiting")
	}
	if d.since == "" {
		return c, nil
	}
	if ago, err := time.ParseDuration(d.since); err == nil {
		c.Since = time.Now().Add(-ago)
		return c, nil
	}
	if at, err := time.Parse(time.RFC3339, d.since); err == nil {
		c.Since = at
		return c, nil
	}
	at, err := events.ParsePosition(d.since)
	c.After = &at
	if err != nil {
		err = fmt.Errorf("--since is %q: write how long ago (1h), a time (2026-11-24T08:00:00Z) or a position (1041)", d.since)
	}
	return c, err
}

// decided is what was done, as it is printed.
type decided struct {
	*webhook.Plan
	Done int `json:"done"`
}

// decide has the holder do it.
func (d *decision) decide(ctx context.Context, key cluster.Key, choice webhook.Choice) error {
	h, err := d.lookAt(ctx, key)
	if err != nil {
		return err
	}
	operator := webhook.NewOperator(d.store)
	plan, err := operator.Plan(ctx, key.ID, d.do, choice)
	switch {
	case err != nil:
		return err
	case d.dryRun:
		return d.preview(plan)
	case h.Pending != nil && h.Pending.Reason != cluster.UnheldWaiting:
		return fmt.Errorf("nothing was asked: nobody holds %s: %s", key, reason(h))
	}
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	n, err := operator.Carry(within, plan)
	if errors.Is(err, state.ErrUnanswered) {
		err = d.undone(ctx, key, err)
	}
	if err != nil && n == 0 {
		return err
	}
	return errors.Join(d.tellDone(decided{plan, n}), err)
}

// undone says of an ask that was not done who holds the webhook and how that fares, or why nobody holds it.
func (o *operator) undone(ctx context.Context, key cluster.Key, err error) error {
	h, lookErr := o.lookAt(context.WithoutCancel(ctx), key)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if why := reason(h); why != "" {
		return fmt.Errorf("%w; %s is %s: %s", err, key, h.State, why)
	}
	return err
}

// preview shows what would be done.
func (d *decision) preview(p *webhook.Plan) error {
	if d.output == "json" {
		return d.print(p, nil)
	}
	if p.After != "" {
		_, err := fmt.Fprintf(d.stdout, "would send again what comes after %s: %s\n", p.After, howManyEvents(p.Again))
		return err
	}
	verb := map[webhook.Action]string{webhook.Replay: "send", webhook.Drop: "forget"}[p.Do]
	if _, err := fmt.Fprintf(d.stdout, "would %s %s\n", verb, howManyEvents(len(p.Events))); err != nil || len(p.Events) == 0 {
		return err
	}
	_, err := d.stdout.Write(table(eventRows(p.Events)))
	return err
}

// tellDone says what was done.
func (d *decision) tellDone(all decided) error {
	if d.output == "json" {
		return d.print(all, nil)
	}
	said := fmt.Sprintf("%s to be sent now", howManyEvents(all.Done))
	switch {
	case all.After != "":
		said = fmt.Sprintf("what comes after %s is sent again: %s, as far as it is wanted", all.After, howManyEvents(all.Again))
	case d.do == webhook.Drop:
		said = howManyEvents(all.Done) + " forgotten"
	}
	_, err := fmt.Fprintln(d.stdout, said)
	return err
}
