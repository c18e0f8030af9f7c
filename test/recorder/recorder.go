//go:build linux

package recorder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// fenceHeader is spelt out: a third party knows drm by what it sends, not by its source.
const fenceHeader = "drm-fence"

// Server is a running recorder. Its methods may be called concurrently.
type Server struct {
	address string
	server  http.Server
	group   sync.WaitGroup

	other func(client netip.AddrPort) (open bool) // nil: our own kernel's word is enough

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced with every change
	closed    bool
	record    Record // without Conns
	conns     []*conn
	resources map[string]*resource
}

// resource is what is remembered of one.
type resource struct {
	highest int64 // epoch
	open    []*conn
	last    *conn
}

// conn is a Conn while it is open; the server's mutex guards its fields.
type conn struct {
	Conn
	link      *link
	handshake int64 // bytes
	byUs      bool  // the recorder hung up

	writing sync.Mutex
	ws      *websocket.Conn
}

// Start listens on a free port of a loopback address, such as 127.0.0.1. Close must be called.
func Start(ip string) (*Server, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		return nil, fmt.Errorf("start recorder: %w", err)
	}
	s := &Server{address: l.Addr().String(), changed: make(chan struct{}), resources: map[string]*resource{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hold/{resource}", s.serve)
	mux.HandleFunc("GET /record", s.serveRecord)
	mux.HandleFunc("GET /wait", s.serveWait)
	s.server = http.Server{Handler: mux, ConnContext: withLink, ReadHeaderTimeout: time.Minute}
	s.group.Go(func() { _ = s.server.Serve(listener{l}) }) // it ends with Close
	return s, nil
}

// Close ends all connections and joins all goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.server.Close()
	s.HangUp(func(Conn) bool { return true })
	s.group.Wait()
}

// Address returns where the recorder listens.
func (s *Server) Address() string { return s.address }

// URL returns what to connect to for a resource.
func (s *Server) URL(resource string) string { return URL(s.address, resource) }

// URL returns what to connect to for a resource on the recorder that listens on an address.
func URL(address, resource string) string { return "ws://" + address + "/hold/" + resource }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	epoch, err := strconv.ParseInt(r.Header.Get(fenceHeader), 10, 64)
	if err != nil {
		s.change(func() { s.record.Unfenced++ })
		http.Error(w, "no epoch", http.StatusBadRequest)
		return
	}
	l := r.Context().Value(linkKey{}).(*link)
	c := &conn{Conn: Conn{Resource: r.PathValue("resource"), Epoch: epoch}, link: l, handshake: l.received.Load()}
	if !s.enter(c) {
		http.Error(w, "this epoch is over", http.StatusConflict)
		return
	}
	defer s.group.Done()
	defer s.leave(c)
	upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer ws.Close()
	s.change(func() { c.ws = ws })
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
		s.change(func() {}) // what came is counted by the link
	}
}

// enter judges a dial and takes it up, unless it is to be refused.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !c.link.alive() {
		return false // a dial that was given up before it was looked at proves nothing
	}
	defer s.tell()
	res := s.resources[c.Resource]
	if res == nil {
		res = &resource{}
		s.resources[c.Resource] = res
	}
	c.Opened = time.Now()
	if c.Epoch < res.highest {
		s.record.Stale = append(s.record.Stale, c.Conn)
		return false
	}
	for _, other := range res.open {
		if s.alive(other) {
			s.record.Overlaps = append(s.record.Overlaps, Overlap{Older: other.seen(), Newer: c.Conn})
		} else if other.Open() {
			other.Closed = c.Opened // at the latest; its reader has not had its turn yet
		}
	}
	if c.Epoch == res.highest && !res.last.byUs {
		s.record.Repeated = append(s.record.Repeated, c.Conn)
	}
	if len(res.open) == 0 {
		s.record.Held++
	}
	res.highest, res.last = c.Epoch, c
	res.open = append(res.open, c)
	s.conns = append(s.conns, c)
	s.record.Open++
	s.record.Ever++
	s.group.Add(1)
	return true
}

func (s *Server) leave(c *conn) {
	s.change(func() {
		if c.Open() {
			c.Closed = time.Now()
		}
		s.record.Open--
		res := s.resources[c.Resource]
		for i, other := range res.open {
			if other == c {
				res.open = append(res.open[:i:i], res.open[i+1:]...)
				break
			}
		}
		if len(res.open) == 0 {
			s.record.Held--
		}
	})
}

// change changes what is guarded by the mutex, and tells those who wait for it.
func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.tell()
}

func (s *Server) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// seen returns the connection as of now.
func (c *conn) seen() Conn {
	seen := c.Conn
	seen.Received = c.link.received.Load() - c.handshake
	return seen
}

// Record returns all that was seen so far.
func (s *Server) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full()
}

func (s *Server) full() Record {
	r := s.record
	r.Conns = make([]Conn, len(s.conns))
	for i, c := range s.conns {
		r.Conns[i] = c.seen()
	}
	return r
}

// errWaited tells what was there instead of what was waited for.
var errWaited = errors.New("it did not come to that")

// Wait returns once cond holds; it is asked after every change, with a Record whose Conns are left out.
func (s *Server) Wait(ctx context.Context, cond func(Record) bool) error {
	for {
		s.mu.Lock()
		r, changed := s.record, s.changed
		s.mu.Unlock()
		if cond(r) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait with %d connections open for %d resources: %w: %w", r.Open, r.Held, errWaited, ctx.Err())
		}
	}
}

// WaitFull is Wait with the whole Record: dearer, for conditions on single connections.
func (s *Server) WaitFull(ctx context.Context, cond func(Record) bool) error {
	return s.Wait(ctx, func(Record) bool { return cond(s.Record()) })
}

// HangUp closes the connections that which says, as a server does that restarts.
func (s *Server) HangUp(which func(Conn) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if c.Open() && which(c.Conn) {
			c.byUs = true
			_ = c.link.Close() // its reader sees the end
		}
	}
}

// Send sends a text message and a ping on every open connection: both want something done at the other side.
func (s *Server) Send(text string) {
	s.mu.Lock()
	var open []*conn
	for _, c := range s.conns {
		if c.Open() && c.ws != nil {
			open = append(open, c)
		}
	}
	s.mu.Unlock()
	for _, c := range open {
		c.send(text)
	}
}

func (c *conn) send(text string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	soon := time.Now().Add(time.Second)
	_ = c.ws.SetWriteDeadline(soon)
	// A connection that can't be written to is seen to end by its reader.
	_ = c.ws.WriteMessage(websocket.TextMessage, []byte(text))
	_ = c.ws.WriteControl(websocket.PingMessage, []byte(strings.Repeat("?", 4)), soon)
}
