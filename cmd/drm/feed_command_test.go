package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

// The feed sends, tells who comes and goes and with which epoch, and leaves in order though somebody is connected. Seen to
// fail without the closing of connections in feed.close: it then never ends.
func TestFeedCommand(t *testing.T) {
	feed := start(t, command(nil, "feed", "--listen", "127.0.0.1:0"))
	url := strings.TrimSuffix(feed.until(t, `^serving (ws://127\.0\.0\.1:\d+/NAME)$`)[1], "NAME")
	dial := func(id, epoch string) *websocket.Conn {
		t.Helper()
		conn, _, err := websocket.DefaultDialer.Dial(url+id, http.Header{resources.FenceHeader: {epoch}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		feed.until(t, `  `+id+`  opened  \(epoch `+epoch+`\)$`)
		return conn
	}
	first := dial("ticker", "7")
	_ = first.SetReadDeadline(time.Now().Add(within))
	if _, message, err := first.ReadMessage(); err != nil || !strings.HasPrefix(string(message), `{"tick":"`) {
		t.Errorf("received %s, %v", message, err)
	}
	_ = first.Close()
	feed.until(t, `  ticker  closed  \(epoch 7\)$`)
	dial("other", "8")
	if err := feed.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := feed.code(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
