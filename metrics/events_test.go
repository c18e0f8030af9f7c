package metrics

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

var (
	key     = cluster.Key{Kind: "websocket", ID: "r1"}
	strange = cluster.Key{Kind: "made-up", ID: "r1"}
	errTest = errors.New("refused")
)

// everything makes each metric move.
func everything(m *Metrics) {
	for _, t := range eventTypes {
		m.Observe(cluster.Event{Type: t, Key: key, Reason: "lost", Count: 2, Drift: 1, Gap: 30 * time.Millisecond, Err: errTest})
		m.Observe(cluster.Event{Type: t, Key: strange, Reason: "unheard of", Count: 2, Gap: -1})
	}
	for _, op := range append(storeOps, opRenew, "unheard of") {
		m.Request(op, time.Millisecond, errTest)
	}
	m.WatchRestart("compacted")
	m.WatchRestart("unheard of")
	meter := m.Meter()
	for _, kind := range []string{key.Kind, strange.Kind} {
		meter.Connection(kind, "", resources.StateConnected)
		meter.Connect(kind, resources.ConnectOK)
		meter.Receive(kind)
		meter.Drop(kind, resources.DropTooBig, 3)
		meter.Miss(kind, resources.Gap{To: time.Now()})
	}
	meter.Send(resources.SinkHTTP, time.Second, false)
	meter.Block(resources.BlockLoopback)
	meter.Trim(resources.TrimMaxEvents, 2)
	slog.New(m.CountLogs(slog.NewTextHandler(io.Discard, nil))).Error("disk full")
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name  string
		event cluster.Event
		moved map[string]float64
	}{
		{"type", cluster.Event{Type: cluster.NodeGone}, map[string]float64{
			`drm_node_events_total{type="node_gone"}`: 1, `drm_node_events_total{type="node_joined"}`: 0,
		}},
		{"fenced", cluster.Event{Type: cluster.TermEnded, Reason: "fenced"}, map[string]float64{
			`drm_terms_ended_total{reason="fenced"}`: 1, `drm_fenced_total`: 1,
		}},
		{"left", cluster.Event{Type: cluster.TermEnded, Reason: "leaving"}, map[string]float64{
			`drm_terms_ended_total{reason="leaving"}`: 1, `drm_fenced_total`: 0,
		}},
		{"bid won", cluster.Event{Type: cluster.BidWon}, map[string]float64{`drm_bids_total{result="won"}`: 1}},
		{"bid lost", cluster.Event{Type: cluster.BidLost}, map[string]float64{`drm_bids_total{result="lost"}`: 1}},
		{"claimed", cluster.Event{Type: cluster.Claimed, Reason: cluster.ChangeHandOff}, map[string]float64{
			`drm_ownership_changes_total{reason="handoff"}`: 1,
		}},
		{"started after a gap", cluster.Event{
			Type: cluster.Started, Key: key, Reason: cluster.ChangeTakeover, Gap: 250 * time.Millisecond,
		}, map[string]float64{
			`drm_runner_starts_total{kind="websocket"}`:          1,
			`drm_ownership_gap_seconds_count{reason="takeover"}`: 1,
			`drm_ownership_gap_seconds_sum{reason="takeover"}`:   0.25,
		}},
		{
			"started, gap not known",
			cluster.Event{Type: cluster.Started, Key: key, Reason: cluster.ChangeNew, Gap: -1},
			map[string]float64{
				`drm_runner_starts_total{kind="websocket"}`: 1, `drm_ownership_gap_seconds_count{reason="new"}`: 0,
			},
		},
		{"stopped", cluster.Event{Type: cluster.Stopped, Reason: "moving", Gap: time.Second}, map[string]float64{
			`drm_runner_stops_total{reason="moving"}`: 1, `drm_runner_stop_duration_seconds_sum`: 1,
		}},
		{"failed by itself", cluster.Event{Type: cluster.Stopped, Reason: "failed", Gap: -1}, map[string]float64{
			`drm_runner_stops_total{reason="failed"}`: 1, `drm_runner_stop_duration_seconds_count`: 0,
		}},
		{"failure", cluster.Event{Type: cluster.Failed, Key: key}, map[string]float64{
			`drm_runner_failures_total{kind="websocket"}`: 1, `drm_runner_failures_total{kind="redis"}`: 0,
		}},
		{"kind that users made up", cluster.Event{Type: cluster.Failed, Key: strange}, map[string]float64{
			`drm_runner_failures_total{kind="other"}`: 1,
		}},
		{"reason unknown", cluster.Event{Type: cluster.Stopped, Reason: "boredom", Gap: -1}, map[string]float64{
			`drm_runner_stops_total{reason="other"}`: 1,
		}},
		{"balanced", cluster.Event{Type: cluster.Balanced, Count: 250}, map[string]float64{`drm_balance_moves_total`: 250}},
		{"listed", cluster.Event{Type: cluster.Listed, Reason: "again", Count: 9, Drift: 2}, map[string]float64{
			`drm_reconcile_differences_total`: 2,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fresh(cluster.Stats{})
			m.Observe(c.event)
			want(t, m, c.moved)
		})
	}
}

// A word added to package cluster must be known here too: an event that isn't would have no series before it first
// happens, a reason would be hidden. Seen to fail with Stuck and with UnheldDeleted left out.
func TestEveryWordIsKnown(t *testing.T) {
	declared := map[string][]string{} // by first letters of the constant's name, or by its type
	file, err := parser.ParseFile(token.NewFileSet(), "../cluster/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		word, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range []string{"Change", "Unheld"} {
			if spec.Type == nil && strings.HasPrefix(spec.Names[0].Name, family) {
				declared[family] = append(declared[family], word)
			}
		}
		if id, ok := spec.Type.(*ast.Ident); ok {
			declared[id.Name] = append(declared[id.Name], word)
		}
		return true
	})
	var types []string
	for _, e := range eventTypes {
		types = append(types, string(e))
	}
	for family, here := range map[string][]string{"EventType": types, "Change": changeReasons, "Unheld": unheldReasons} {
		slices.Sort(declared[family])
		if here = slices.Sorted(slices.Values(here)); len(here) == 0 || !slices.Equal(here, declared[family]) {
			t.Errorf("%s: package cluster declares %q, known here are %q", family, declared[family], here)
		}
	}
}
