package examples_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// service is a server of websockets that remembers what the clients said and how they left.
type service struct {
	t     *testing.T
	url   string // ws://host:port
	heard chan map[string]any
	ends  chan int // codes with which clients closed; 0: without one
	cuts  chan int // codes with which to close

	running  sync.WaitGroup
	seat     chan struct{} // taken by the client that is connected
	overlaps atomic.Int32  // clients that came while another was, and stayed
}

// serve has talk speak to each client that refuse does not refuse: by returning a status.
func serve(t *testing.T, refuse func(*http.Request) int, talk func(*service, *line)) *service {
	t.Helper()
	s := &service{t: t, heard: make(chan map[string]any, 1000), ends: make(chan int, 100), cuts: make(chan int), seat: make(chan struct{}, 1)}
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := refuse(r); status != 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			return
		}
		s.running.Add(1)
		defer s.running.Done()
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		s.sit()
		l := &line{conn: conn, heard: make(chan map[string]any, 1000), gone: make(chan struct{})}
		var reading sync.WaitGroup
		reading.Go(func() {
			s.ends <- l.read()
			<-s.seat
		})
		defer reading.Wait()
		defer conn.Close()
		talk(s, l)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); s.running.Wait() })
	s.url = strings.Replace(server.URL, "http", "ws", 1)
	return s
}

// sit gives the seat to a client. The one before may have left without our having seen it yet.
func (s *service) sit() {
	select {
	case s.seat <- struct{}{}:
	case <-time.After(time.Second):
		s.overlaps.Add(1)
		s.seat <- struct{}{}
	}
}

// line is one connection, as the service has it.
type line struct {
	conn  *websocket.Conn
	write sync.Mutex
	heard chan map[string]any
	gone  chan struct{}
}

// read passes on what the client says, and returns the code with which it left.
func (l *line) read() (code int) {
	defer close(l.gone)
	for {
		_, data, err := l.conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code
		}
		if err != nil {
			return 0
		}
		var m map[string]any
		if json.Unmarshal(data, &m) == nil {
			l.heard <- m
		}
	}
}

// hear returns what the client says next, nil when it has gone.
func (l *line) hear() map[string]any {
	select {
	case m := <-l.heard:
		return m
	case <-l.gone:
		return nil
	}
}

func (l *line) say(format string, args ...any) {
	l.write.Lock()
	defer l.write.Unlock()
	_ = l.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
}

// cut closes the connection as a server does.
func (l *line) cut(code int) {
	_ = l.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
	<-l.gone
}

// stream says something again and again until the client has gone or is to be cut off.
func (s *service) stream(l *line, say func(n int)) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			say(n)
		case code := <-s.cuts:
			l.cut(code)
			return
		case <-l.gone:
			return
		}
	}
}

// none refuses nobody.
func none(*http.Request) int { return 0 }

// alone fails if two clients were connected at once.
func (s *service) alone() {
	s.t.Helper()
	if n := s.overlaps.Load(); n > 0 {
		s.t.Errorf("%d times two clients were connected at once", n)
	}
}
