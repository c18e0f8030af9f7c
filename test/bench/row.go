//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is one figure.
type row struct {
	Part      string  `json:"part"`
	What      string  `json:"what"`
	Resources int     `json:"resources"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	// Baseline marks a figure of something else than drm; Ratio is then drm's figure divided by it.
	Baseline bool    `json:"baseline,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`
	// Sense is how the goal is to be reached: ≤, ≥ or =; without it there is no goal.
	Sense string  `json:"sense,omitempty"`
	Goal  float64 `json:"goal"`
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

// against says that the figure is something else's, beside drm's own.
func (r row) against(drm row) row {
	r.Baseline = true
	if r.Value != 0 {
		r.Ratio = drm.Value / r.Value
	}
	return r
}

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

// MarshalJSON adds to a row with a goal whether it was met; one without says nothing of either.
func (r row) MarshalJSON() ([]byte, error) {
	type plain row
	if r.Sense == "" {
		return json.Marshal(struct {
			plain
			Goal bool `json:"goal,omitempty"` // hides the number
		}{plain: plain(r)})
	}
	return json.Marshal(struct {
		plain
		Met bool `json:"met"`
	}{plain(r), r.met()})
}

// table prints the rows for people, as Markdown does.
func table(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| what\t| resources\t| measured\t| goal, or drm beside it\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s\t| %d\t| %s\t| %s\t|\n", r.What, r.Resources, quantity(r.Value, r.Unit), r.verdict())
	}
	return w.Flush()
}

func (r row) verdict() string {
	switch {
	case r.Baseline:
		return "drm: × " + number(r.Ratio)
	case r.Sense == "":
		return ""
	case r.met():
		return fmt.Sprintf("%s %s: met", r.Sense, quantity(r.Goal, r.Unit))
	}
	return fmt.Sprintf("%s %s: MISSED", r.Sense, quantity(r.Goal, r.Unit))
}

func quantity(v float64, unit string) string {
	if unit == "" {
		return number(v)
	}
	return number(v) + " " + unit
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
