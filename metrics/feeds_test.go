package metrics

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

func goversion(t *testing.T) string { t.Helper(); return runtime.Version() }

func TestRequests(t *testing.T) {
	m := fresh(cluster.Stats{})
	m.Request("commit", 2*time.Millisecond, nil)
	m.Request("commit", 4*time.Millisecond, errTest)
	m.Request("renew", time.Millisecond, context.DeadlineExceeded)
	m.Request("dance", time.Millisecond, nil)
	m.WatchRestart("compacted")
	m.WatchRestart("boredom")
	m.WatchRestart("reconcile")
	want(t, m, map[string]float64{
		`drm_etcd_request_duration_seconds_count{op="commit"}`: 2,
		`drm_etcd_request_duration_seconds_sum{op="commit"}`:   .006,
		`drm_etcd_request_duration_seconds_count{op="other"}`:  1,
		`drm_etcd_request_errors_total{op="commit"}`:           1,
		`drm_etcd_request_errors_total{op="renew"}`:            1,
		`drm_lease_keepalive_duration_seconds_count`:           1,
		`drm_watch_restarts_total{reason="compacted"}`:         1,
		`drm_watch_restarts_total{reason="other"}`:             1,
		`drm_reconciles_total`:                                 1,
	})
}

func TestMeter(t *testing.T) {
	m := fresh(cluster.Stats{})
	meter := m.Meter()
	meter.Connection("websocket", "", resources.StateConnecting)
	meter.Connection("websocket", resources.StateConnecting, resources.StateConnected)
	meter.Connection("websocket", "", resources.StateConnecting)
	meter.Connect("websocket", resources.ConnectOK)
	meter.Receive("websocket")
	meter.Drop("websocket", resources.DropBufferFull, 7)
	meter.Drop("made-up", "mood", 2)
	began := time.Unix(1_700_000_000, 0)
	meter.Miss("websocket", resources.Gap{From: began, To: began.Add(90 * time.Second)})
	meter.Miss("websocket", resources.Gap{To: began})
	meter.Miss("websocket", resources.Gap{From: began, To: began.Add(-time.Second)}) // two clocks
	meter.Send(resources.SinkStdout, time.Second, true)
	meter.Send(resources.SinkHTTP, 2*time.Second, false)
	meter.Block(resources.BlockMetadata)
	meter.Trim(resources.TrimMaxEvents, 7)
	want(t, m, map[string]float64{
		`drm_connections{kind="websocket",state="connected"}`:               1,
		`drm_connections{kind="websocket",state="connecting"}`:              1,
		`drm_connections{kind="redis",state="connected"}`:                   0,
		`drm_connect_attempts_total{kind="websocket",result="ok"}`:          1,
		`drm_messages_received_total{kind="websocket"}`:                     1,
		`drm_messages_dropped_total{kind="websocket",reason="buffer_full"}`: 7,
		`drm_messages_dropped_total{kind="other",reason="other"}`:           2,
		`drm_gaps_total{kind="websocket"}`:                                  3,
		`drm_gap_seconds_total{kind="websocket"}`:                           90,
		`drm_gaps_total{kind="redis"}`:                                      0,
		`drm_sink_send_duration_seconds_sum{sink="stdout"}`:                 1,
		`drm_sink_send_duration_seconds_count{sink="http"}`:                 1,
		`drm_sink_errors_total{sink="http"}`:                                1,
		`drm_sink_errors_total{sink="stdout"}`:                              0,
		`drm_egress_blocked_total{reason="metadata"}`:                       1,
		`drm_events_trimmed_total{reason="max_events"}`:                     7,
		`drm_events_trimmed_total{reason="passed"}`:                         0,
	})
}

// Seen to fail with the breaker not leaving the state before, and with every write counted as fenced.
func TestDeliveryMeter(t *testing.T) {
	m := fresh(cluster.Stats{})
	meter := m.Meter()
	meter.Attempt(resources.Attempt5xx, 2*time.Second)
	meter.Delivery(resources.FateWaiting)
	meter.Lag(-time.Second)
	meter.InDoubt(3)
	meter.InDoubt(-1)
	meter.Disable(true)
	meter.Breaker("", resources.BreakerClosed)
	meter.Breaker("", resources.BreakerClosed)
	meter.Breaker(resources.BreakerClosed, resources.BreakerOpen)
	meter.Breaker(resources.BreakerOpen, resources.BreakerOpen)
	m.Wrote("done", time.Second)
	m.Wrote("fenced", time.Second)
	want(t, m, map[string]float64{
		`drm_delivery_attempts_total{result="5xx"}`:               1,
		`drm_delivery_duration_seconds_sum`:                       2,
		`drm_deliveries_total{outcome="waiting"}`:                 1,
		`drm_deliveries_total{outcome="delivered"}`:               0,
		`drm_delivery_lag_seconds_sum`:                            0,
		`drm_delivery_lag_seconds_count`:                          1,
		`drm_webhook_in_doubt`:                                    2,
		`drm_webhook_disabled`:                                    1,
		`drm_breaker_state{state="closed"}`:                       1,
		`drm_breaker_state{state="open"}`:                         1,
		`drm_breaker_state{state="trying"}`:                       0,
		`drm_fence_rejected_total`:                                1,
		`drm_state_write_duration_seconds_count{result="fenced"}`: 1,
	})
}

// Seen to fail with the backlog read once.
func TestBacklog(t *testing.T) {
	m, backlog := New(Options{}), 7
	m.CollectBacklog(func() int { return backlog })
	want(t, m, map[string]float64{"drm_event_backlog": 7})
	backlog = 3
	want(t, m, map[string]float64{"drm_event_backlog": 3})
}

// What is counted is what is written, at whatever depth the logger was derived.
// Seen to fail without countingHandler.WithAttrs.
func TestCountLogs(t *testing.T) {
	m := fresh(cluster.Stats{})
	var out strings.Builder
	log := slog.New(m.CountLogs(slog.NewTextHandler(&out, nil)))
	log.Debug("below the level")
	log.Info("one")
	log.With("node", "a").Warn("two")
	log.WithGroup("etcd").With("try", 1).Error("three")
	log.Log(t.Context(), slog.LevelWarn+2, "four")
	want(t, m, map[string]float64{
		`drm_log_messages_total{level="debug"}`: 0,
		`drm_log_messages_total{level="info"}`:  1,
		`drm_log_messages_total{level="warn"}`:  2,
		`drm_log_messages_total{level="error"}`: 1,
	})
	if lines := strings.Count(out.String(), "\n"); lines != 4 || !strings.Contains(out.String(), "etcd.try=1") {
		t.Errorf("the handler behind wrote %d lines, want 4:\n%s", lines, &out)
	}
}
