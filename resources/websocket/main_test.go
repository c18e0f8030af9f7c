package websocket

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestMain runs the tests and then expects every goroutine of theirs to end. As a child of BenchmarkIdle it is the
// other side of the connections instead, so that only one side is measured.
func TestMain(m *testing.M) {
	if os.Getenv("DRM_TEST_IDLE_SERVER") != "" {
		idleServer()
		return
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if left := leaked(5 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked waits until only this goroutine is left, and returns the stacks of the others if that takes too long. Seen
// to fail with the wait for the buffer taken out of hold.end.
func leaked(patience time.Duration) string {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "github.com/drm-cluster/drm/resources.") &&
			!strings.Contains(strings.ReplaceAll(string(stacks), "websocket.TestMain", ""), "resources/websocket.(") {
			return ""
		}
		select {
		case <-deadline:
			return string(stacks)
		case <-tick.C:
		}
	}
}

// idleServer accepts websockets and only answers pings, until its standard input ends.
func idleServer() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		for err == nil {
			_, _, err = conn.NextReader()
		}
	})}
	go func() {
		if leaf := os.Getenv("DRM_TEST_IDLE_LEAF"); leaf != "" {
			_ = server.ServeTLS(listener, leaf+".crt", leaf+".key")
			return
		}
		_ = server.Serve(listener)
	}()
	fmt.Println(listener.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1))
	_ = server.Close()
}
