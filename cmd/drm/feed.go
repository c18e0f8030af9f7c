package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

// feed is a websocket server to try drm on: it sends a message each second on every connection, takes what a
// sink posts, and tells who connects and who goes. It stands for the other company's cloud.
type feed struct {
	address  string
	events   chan feedEvent
	received atomic.Int64 // messages that came to /sink

	server http.Server
	stop   chan struct{}
	group  sync.WaitGroup

	mu    sync.Mutex
	conns map[*websocket.Conn]bool
}

// feedEvent tells that a connection for a resource was opened or is gone.
type feedEvent struct {
	id    string // of the resource: the path that was dialled
	epoch int64  // sent along by the holder
	open  bool
	at    time.Time
}

// startFeed listens on the address; close must be called.
func startFeed(listen string) (*feed, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("start feed: %w", err)
	}
	f := &feed{
		address: listener.Addr().String(),
		events:  make(chan feedEvent, 64),
		stop:    make(chan struct{}),
		conns:   map[*websocket.Conn]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sink", f.take)
	mux.HandleFunc("GET /{id}", f.serve)
	f.server.Handler = mux
	f.group.Go(func() { _ = f.server.Serve(listener) })
	f.group.Go(f.tick)
	return f, nil
}

// close ends all connections and joins all goroutines.
func (f *feed) close() {
	close(f.stop)
	_ = f.server.Close()
	f.mu.Lock()
	for conn := range f.conns {
		_ = conn.Close()
	}
	f.mu.Unlock()
	f.group.Wait()
}

// take is the sink: it only counts.
func (f *feed) take(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	f.received.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

func (f *feed) serve(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	if !f.enter(conn) {
		return
	}
	defer f.leave(conn)
	epoch, _ := strconv.ParseInt(r.Header.Get(resources.FenceHeader), 10, 64)
	e := feedEvent{id: strings.TrimPrefix(r.URL.Path, "/"), epoch: epoch}
	f.tell(e, true)
	defer f.tell(e, false)
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

func (f *feed) tell(e feedEvent, open bool) {
	e.open, e.at = open, time.Now()
	select {
	case f.events <- e:
	case <-f.stop:
	}
}

// enter takes up a connection, unless the feed is closing.
func (f *feed) enter(conn *websocket.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.stop:
		_ = conn.Close()
		return false
	default:
	}
	f.group.Add(1)
	f.conns[conn] = true
	return true
}

func (f *feed) leave(conn *websocket.Conn) {
	f.mu.Lock()
	delete(f.conns, conn)
	f.mu.Unlock()
	_ = conn.Close()
	f.group.Done()
}

// tick sends the time on every connection, each second.
func (f *feed) tick() {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-f.stop:
			return
		case now := <-second.C:
			f.send(fmt.Sprintf(`{"tick":%q}`, now.Format(time.RFC3339)))
		}
	}
}

func (f *feed) send(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_ = conn.WriteMessage(websocket.TextMessage, []byte(text)) // one that fails is seen by its reader
	}
}
