//go:build linux

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is one figure.
type row struct {
	What      string  `json:"what"`
	Resources int     `json:"resources"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Goal      float64 `json:"goal"` // 0 and no sense: there is none
	Sense     string  `json:"sense,omitempty"`
}

func seconds(what string, n int, d time.Duration) row {
	return row{What: what, Resources: n, Value: d.Seconds(), Unit: "s"}
}

func count(what string, n int, value float64, unit string) row {
	return row{What: what, Resources: n, Value: value, Unit: unit}
}

func (r row) atMost(goal float64) row  { r.Goal, r.Sense = goal, "≤"; return r }
func (r row) atLeast(goal float64) row { r.Goal, r.Sense = goal, "≥"; return r }
func (r row) exactly(goal float64) row { r.Goal, r.Sense = goal, "="; return r }

// met tells whether the goal was reached.
func (r row) met() bool {
	switch r.Sense {
	case "≤":
		return r.Value <= r.Goal
	case "≥":
		return r.Value >= r.Goal
	case "=":
		return r.Value == r.Goal
	}
	return true
}

// table prints the rows for people, as Markdown does.
func table(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| what\t| resources\t| measured\t| goal\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t|")
	for _, r := range rows {
		goal := ""
		if r.Sense != "" {
			goal = fmt.Sprintf("%s %s %s", r.Sense, number(r.Goal), r.Unit)
			if !r.met() {
				goal += " MISSED"
			}
		}
		fmt.Fprintf(w, "| %s\t| %d\t| %s %s\t| %s\t|\n", r.What, r.Resources, number(r.Value), r.Unit, goal)
	}
	return w.Flush()
}

// number prints three digits that count.
func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
