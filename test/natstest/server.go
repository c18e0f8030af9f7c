// Package natstest starts real NATS servers with JetStream for tests, inside the test's own process. Everything listens on
// 127.0.0.1, lives in t.TempDir and ends with the test.
package natstest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const readyWithin = 20 * time.Second

// Server is one NATS server.
type Server struct {
	// URL is nats://127.0.0.1:port, or tls:// when Options.TLSConfig is set, and stays so over Stop and Start.
	URL string
	// Options are what it starts with. They may be changed while it is stopped.
	Options *server.Options

	server *server.Server
}

// Start runs a server until the test ends. The functions may change its options before it starts.
func Start(t testing.TB, configure ...func(*server.Options)) *Server {
	t.Helper()
	s := &Server{Options: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	}}
	for _, c := range configure {
		c(s.Options)
	}
	t.Cleanup(s.Stop)
	s.Start(t)
	return s
}

// Start runs a stopped server again, on its data and its port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	var err error
	if s.server, err = server.NewServer(s.Options); err != nil {
		t.Fatalf("make a NATS server: %v", err)
	}
	s.server.Start()
	if !s.server.ReadyForConnections(readyWithin) {
		s.Stop()
		t.Fatalf("the NATS server on %v was not ready within %s", s.server.Addr(), readyWithin)
	}
	addr := s.server.Addr().(*net.TCPAddr)
	s.Options.Port = addr.Port
	s.URL = "nats://" + addr.String()
	if s.Options.TLSConfig != nil {
		s.URL = "tls://" + addr.String()
	}
}

// Stop ends the server as SIGTERM does, and returns when it has ended.
func (s *Server) Stop() {
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// Clients is how many connections there are.
func (s *Server) Clients() int { return s.server.NumClients() }

// Connects is how many connections there have been since it started.
func (s *Server) Connects(t testing.TB) int {
	t.Helper()
	v, err := s.server.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	return int(v.TotalConnections)
}

// JetStream connects to the server as a publisher or an administrator would, until the test ends, and by itself again after a restart.
func (s *Server) JetStream(t testing.TB, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	options = append(options, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	conn, err := nats.Connect(s.URL, options...)
	if err != nil {
		t.Fatalf("connect to %s: %v", s.URL, err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Stream makes a stream of the subjects, on disk.
func Stream(t testing.TB, js jetstream.JetStream, name string, subjects ...string) jetstream.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: subjects})
	if err != nil {
		t.Fatalf("make stream %s: %v", name, err)
	}
	return stream
}
