package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/events"
)

// published is one event as drm publish tells of it.
type published struct {
	ID        string `json:"id"`
	Position  string `json:"position"`
	Duplicate bool   `json:"duplicate"`
}

func newPublish(p process) *cobra.Command {
	var (
		o          = newOperator(p)
		e          events.Event
		data, file string
	)
	cmd := &cobra.Command{
		Use:   "publish TOPIC",
		Short: "Publish an event to a topic, or one for each line of the standard input",
		Long: "Publish an event, whose data is --data or the contents of --file, or one event for each line of the standard input.\n" +
			"It returns when etcd has them. Data that is JSON is published as such, other data as text or bytes.\n" +
			"An event with an --id is published once, however often it is asked for.",
		Example: "  drm publish orders --data '{\"n\":1}' --id order-1 --type order.paid\n  tail -f events.jsonl | drm publish orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.Topic, e.ID = args[0], events.IDOf(e.ID)
			lines := !cmd.Flags().Changed("data") && file == ""
			switch {
			case cmd.Flags().Changed("data") && file != "":
				return exits(exitUsage, errors.New("give --data or --file, not both"))
			case lines && e.ID != "":
				return exits(exitUsage, errors.New("--id goes with --data or --file: each line of the standard input is another event"))
			case events.CheckTopic(e.Topic) != nil:
				return exits(exitUsage, events.CheckTopic(e.Topic))
			}
			e.Data = []byte(data)
			if file != "" {
				var err error
				if e.Data, err = os.ReadFile(file); err != nil {
					return exits(exitUsage, fmt.Errorf("read event: %w", err))
				}
			}
			return o.do(func(ctx context.Context) error {
				to := events.NewPublisher(o.store)
				if !lines {
					return o.publish(ctx, to, []events.Event{e})
				}
				return o.publishLines(ctx, to, e, p.stdin)
			})
		},
	}
	o.define(cmd.Flags())
	o.defineOutput(cmd.Flags())
	cmd.Flags().StringVar(&data, "data", "", "the data")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file of the data")
	cmd.Flags().StringVar(&e.ID, "id", "", "the event's id (default: a new one)")
	cmd.Flags().StringVar(&e.Type, "type", "", "the event's type (default: the topic)")
	cmd.Flags().StringVar(&e.Source, "source", "", "where the event comes from")
	cmd.Flags().StringVar(&e.Subject, "subject", "", "what the event is about")
	return cmd
}

// maxLines is how many lines are published at a time, if so many are there.
const maxLines = 100

// publishLines publishes the lines of an input as they come, until it ends.
func (o *operator) publishLines(ctx context.Context, to *events.Publisher, like events.Event, input io.Reader) error {
	lines, ended := make(chan []byte, maxLines), make(chan error, 1)
	go func() { ended <- readLines(ctx, input, lines) }() // nothing interrupts a read from a terminal, so it may outlive this
	for {
		select {
		case line, more := <-lines:
			if !more {
				return <-ended
			}
			if err := o.publish(ctx, to, together(like, line, lines)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLines sends lines that are not empty, and closes the channel at the end.
func readLines(ctx context.Context, input io.Reader, lines chan<- []byte) error {
	defer close(lines)
	scanner := bufio.NewScanner(input)
	scanner.Buffer(nil, events.MaxBytes)
	for scanner.Scan() {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		select {
		case lines <- bytes.Clone(scanner.Bytes()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read the standard input: %w", err)
	}
	return nil
}

// together makes events of a line and of what has come after it.
func together(like events.Event, line []byte, lines <-chan []byte) []events.Event {
	like.Data = line
	es := []events.Event{like}
	for len(es) < maxLines {
		select {
		case line, more := <-lines:
			if !more {
				return es
			}
			like.Data = line
			es = append(es, like)
		default:
			return es
		}
	}
	return es
}

// publish publishes events and tells of each.
func (o *operator) publish(ctx context.Context, to *events.Publisher, es []events.Event) error {
	for i := range es {
		if !json.Valid(es[i].Data) {
			es[i].ContentType = "text/plain; charset=utf-8"
		}
	}
	var failed error
	for _, r := range to.Publish(ctx, es) {
		if r.Err != nil {
			failed = errors.Join(failed, r.Err)
			continue
		}
		if o.output == "json" {
			line, err := json.Marshal(published{r.ID, r.At.String(), r.Duplicate})
			if err != nil {
				return fmt.Errorf("encode receipt: %w", err)
			}
			fmt.Fprintf(o.stdout, "%s\n", line)
			continue
		}
		said := r.ID + "  " + r.At.String()
		if r.Duplicate {
			said += "  published before"
		}
		fmt.Fprintln(o.stdout, said)
	}
	return failed
}
