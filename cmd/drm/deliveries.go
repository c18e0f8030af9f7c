package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources/webhook"
)

// deliveriesView is what of a webhook's deliveries is to be shown.
type deliveriesView struct {
	*operator
	states []webhook.State
	since  time.Duration
	limit  int
}

func newDeliveries(p process) *cobra.Command {
	v := &deliveriesView{operator: newOperator(p)}
	chosen := map[webhook.State]*bool{}
	cmd := &cobra.Command{
		Use:   "deliveries KIND/ID",
		Short: "Show what became of the events of a webhook",
		Long: "Show how far a webhook has come, which events are on their way, wait, are in doubt or dead and why, and its last attempts.\n" +
			"What was delivered is not kept, but for the last five attempts.",
		Example: "  drm deliveries webhook/shop\n  drm deliveries webhook/shop --dead --since 1h -o json | jq -r '.events[].event'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := webhookOf(args[0])
			if err != nil {
				return exits(exitUsage, err)
			}
			for _, s := range webhook.States() {
				if *chosen[s] {
					v.states = append(v.states, s)
				}
			}
			return v.do(func(ctx context.Context) error { return v.show(ctx, key) })
		},
	}
	f := cmd.Flags()
	v.define(f)
	v.defineOutput(f)
	for _, s := range webhook.States() {
		chosen[s] = f.Bool(strings.ReplaceAll(string(s), "_", "-"), false, "only events that are "+strings.ReplaceAll(string(s), "_", " "))
	}
	f.DurationVar(&v.since, "since", 0, "only what has happened in this time, such as 1h (default: all)")
	f.IntVar(&v.limit, "limit", 100, "how many events to show; 0 for all")
	return cmd
}

// webhookOf reads the argument that names a webhook.
func webhookOf(arg string) (cluster.Key, error) {
	keys, err := keysOf([]string{arg})
	switch {
	case err != nil:
		return cluster.Key{}, err
	case keys[0].Kind != webhook.Kind:
		return cluster.Key{}, fmt.Errorf("%s is of kind %s; only resources of kind %s deliver events", arg, keys[0].Kind, webhook.Kind)
	}
	return keys[0], nil
}

// shownDeliveries is a webhook with what is on record of its deliveries.
type shownDeliveries struct {
	held
	webhook.Deliveries
	Left int `json:"left,omitempty"` // events beyond the limit
}

func (v *deliveriesView) show(ctx context.Context, key cluster.Key) error {
	h, err := v.lookAt(ctx, key)
	if err != nil {
		return err
	}
	d, err := webhook.NewOperator(v.store).Look(ctx, key.ID)
	if err != nil {
		return err
	}
	var since time.Time
	if v.since > 0 {
		since = time.Now().Add(-v.since)
	}
	all := shownDeliveries{held: h, Deliveries: d}
	all.Left = all.Narrow(v.states, since, v.limit)
	if v.output == "json" {
		return v.print(all, nil)
	}
	_, err = v.stdout.Write(table(all.facts()))
	if err == nil && len(all.Events) > 0 {
		_, err = fmt.Fprintf(v.stdout, "\n%s", table(eventRows(all.Events)))
	}
	if err == nil && all.Left > 0 {
		_, err = fmt.Fprintf(v.stdout, "… and %d more; --limit 0 shows all\n", all.Left)
	}
	if err == nil && len(all.Attempts) > 0 {
		_, err = fmt.Fprintf(v.stdout, "\n%s", table(attemptRows(all.Attempts)))
	}
	return err
}

// lookAt returns a resource with what its holder has noted of it.
func (o *operator) lookAt(ctx context.Context, key cluster.Key) (held, error) {
	s, err := o.look(ctx)
	if err != nil {
		return held{}, err
	}
	info, known := s.Resource(key)
	if !known {
		return held{}, o.unknownResource(s, key)
	}
	troubles, err := o.troubles(ctx, []cluster.Key{key})
	return tell(info, troubles[key]), err
}

// facts are what is to be said of the webhook as a whole, a line each.
func (s *shownDeliveries) facts() [][]string {
	where := s.State
	if s.Holder != "" {
		where = fmt.Sprintf("%s, by %s since revision %d", s.State, s.Holder, s.held.Epoch)
	}
	rows := [][]string{{s.Key.String(), where}}
	if why := reason(s.held); why != "" {
		rows = append(rows, []string{"trouble", why})
	}
	taken := "taken up to " + s.Cursor
	if s.Backlog != nil {
		taken += fmt.Sprintf("; %s of %s after that", howManyEvents(*s.Backlog), strings.Join(s.Topics, ", "))
	}
	rows = append(rows, []string{"log", taken})
	var counts []string
	for _, state := range webhook.States() {
		counts = append(counts, fmt.Sprintf("%d %s", s.Counts[state], strings.ReplaceAll(string(state), "_", " ")))
	}
	return append(rows, []string{"events", strings.Join(counts, ", ")})
}

func howManyEvents(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// eventRows are events, a line each.
func eventRows(all []webhook.Delivery) [][]string {
	rows := [][]string{{"EVENT", "STATE", "SINCE", "ATTEMPTS", "NEXT", "STATUS", "REASON"}}
	for _, e := range all {
		var since, next string
		if !e.Since.IsZero() {
			since = ago(e.Since)
		}
		if in := time.Until(e.Next); in > 0 {
			next = "in " + in.Round(time.Second).String()
		} else if !e.Next.IsZero() {
			next = "now"
		}
		rows = append(rows, []string{
			e.Name(), strings.ReplaceAll(string(e.State), "_", " "), since, strconv.Itoa(e.Attempts), next, status(e.Status), e.Reason,
		})
	}
	return rows
}

// attemptRows are attempts, a line each.
func attemptRows(all []webhook.Attempt) [][]string {
	const most = 60 // of an answer, in runes
	rows := [][]string{{"ATTEMPT AT", "NUMBER", "BEGAN", "TOOK", "STATUS", "ERROR", "ANSWER"}}
	for _, a := range all {
		answer := []rune(a.Response)
		if len(answer) > most {
			answer = append(answer[:most], '…')
		}
		rows = append(rows, []string{
			a.Name(), strconv.Itoa(a.Attempt), ago(a.Time), a.Took, status(a.Status), a.Error, string(answer),
		})
	}
	return rows
}

func status(code int) string {
	if code == 0 {
		return ""
	}
	return strconv.Itoa(code)
}
