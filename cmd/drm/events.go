package main

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/events"
)

// mostEvents is how many events drm events shows at the most.
const mostEvents = 10_000

func newEvents(p process) *cobra.Command {
	var (
		o     = newOperator(p)
		after string
		limit int
	)
	cmd := &cobra.Command{
		Use:   "events TOPIC",
		Short: "Show the last events of a topic, or those after a position",
		Long: "Show the last events of a topic, or the first ones after a position, in the order of the log. A line has the beginning of\n" +
			"an event's data; with -o json all of each event is shown.",
		Example: "  drm events orders\n  drm events orders --after 1041 --limit 100 -o json | jq -c '.[].data'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := events.CheckTopic(args[0]); err != nil {
				return exits(exitUsage, err)
			}
			if limit < 1 || limit > mostEvents {
				return exits(exitUsage, fmt.Errorf("--limit is %d; it must be from 1 to %d", limit, mostEvents))
			}
			var from *events.Position
			if cmd.Flags().Changed("after") {
				at, err := events.ParsePosition(after)
				if err != nil {
					return exits(exitUsage, err)
				}
				from = &at
			}
			return o.do(func(ctx context.Context) error { return o.events(ctx, args[0], from, limit) })
		},
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	cmd.Flags().StringVar(&after, "after", "", "position after which to begin, as drm publish tells it; 0 for the oldest (default: the last events)")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many events to show")
	return cmd
}

func (o *operator) events(ctx context.Context, topic string, after *events.Position, limit int) error {
	found, err := events.Look(ctx, o.store, topic, after, limit)
	if err != nil {
		return err
	}
	rows := [][]string{{"POSITION", "TIME", "TYPE", "DATA"}}
	for _, e := range found.Events {
		happened := ""
		if !e.Time.IsZero() {
			happened = e.Time.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{e.At.String(), happened, e.Type, beginning(e.Data)})
	}
	if n := len(found.Events); found.More && n > 0 {
		defer fmt.Fprintf(o.stderr, "drm: there are more; --after %s shows them\n", found.Events[n-1].At)
	}
	return o.print(append([]events.Event{}, found.Events...), rows)
}

// beginning is as much of some data as fits into a line.
func beginning(data []byte) string {
	const most = 60
	if !utf8.Valid(data) {
		return fmt.Sprintf("%d bytes", len(data))
	}
	if text := []rune(plain(string(data))); len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(data)
}
