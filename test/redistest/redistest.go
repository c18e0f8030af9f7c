package redistest

import (
	"os"
	"os/exec"
	"testing"
)

// Server is a Process that lasts as long as a test.
type Server struct {
	*Process
	t testing.TB
}

// Start runs a server until the test ends. Without redis-server on this machine the test is skipped, but where CI=true, which
// promises that nothing is left out.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: install Debian's package redis-server", err)
		}
		t.Skipf("%v: install Debian's package redis-server to run this test", err)
	}
	p, err := Run(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return &Server{Process: p, t: t}
}

// URL is that of the server.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Do sends a command, which must succeed.
func (s *Server) Do(command string, args ...any) any {
	s.t.Helper()
	reply, err := s.Process.Do(command, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", command, err)
	}
	return reply
}

// Restart starts the killed server again, and returns when it answers.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.Process.Restart(); err != nil {
		s.t.Fatal(err)
	}
}

// Stop freezes the server.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.Process.Stop(); err != nil {
		s.t.Fatalf("stop redis: %v", err)
	}
}

// Cont lets the frozen server go on.
func (s *Server) Cont() {
	s.t.Helper()
	if err := s.Process.Cont(); err != nil {
		s.t.Fatalf("continue redis: %v", err)
	}
}
