package websocket

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// Lines have the keys that all of drm's lines have, and no secret of the URL. Seen to fail with "error" for "err".
func TestLog(t *testing.T) {
	url := accept(t, func(conn *websocket.Conn, _ *http.Request) {
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "tired"))
	})
	lines := make(chan map[string]any, 100)
	log := slog.New(slog.NewJSONHandler(write(func(b []byte) {
		line := map[string]any{}
		if err := json.Unmarshal(b, &line); err != nil || strings.Contains(string(b), "hush") {
			t.Errorf("logged %s: %v", b, err)
		}
		lines <- line
	}), nil))
	runner := New(Options{Sinks: sink.NewSet(sink.Options{Stdout: io.Discard}), Guard: &resources.Guard{AllowLoopback: true}, Log: log})
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Run(ctx, cluster.Claim{
			Key: cluster.Key{Kind: Kind, ID: "feed"}, Spec: json.RawMessage(`{"url": "` + url + `"}`), Epoch: 77,
			Report: func(cluster.Condition) {},
		})
	}()
	for _, want := range []struct {
		message string
		err     any
	}{{"connected", nil}, {"connection lost", `closed by the server with code 1011 "tired"`}} {
		line := receive(t, lines, "no line")
		if line["msg"] != want.message || line["kind"] != Kind || line["resource"] != "feed" || line["epoch"] != 77.0 || line["err"] != want.err {
			t.Errorf("logged %v, want %q with kind, resource, epoch and err %v", line, want.message, want.err)
		}
	}
	stop(nil)
	<-done
}
