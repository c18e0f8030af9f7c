package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// TLSServer is a server that also listens for TLS, and wants a certificate of every client there.
type TLSServer struct {
	*Server
	TLSAddr string
}

// StartTLS runs a server until the test ends that has a certificate, and takes those of an authority, all by their files.
func StartTLS(t testing.TB, ca, cert, key string) *TLSServer {
	t.Helper()
	addr, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	s := Start(t, "--tls-port", port, "--tls-ca-cert-file", ca, "--tls-cert-file", cert, "--tls-key-file", key)
	return &TLSServer{Server: s, TLSAddr: addr}
}

// Follow makes the server a replica of another, and returns when it has copied its data.
func (s *Server) Follow(master *Server) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Do("REPLICAOF", host, port)
	s.Until("follow "+master.Addr, func() bool {
		role, err := redis.Values(s.Do("ROLE"), nil)
		return err == nil && len(role) == 5 && fmt.Sprintf("%s", role[3]) == "connected"
	})
}

// Until waits for what nothing tells of: it asks again and again.
func (s *Server) Until(what string, reached func() bool) {
	s.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	late := time.After(startWithin)
	for !reached() {
		select {
		case <-again.C:
		case <-late:
			s.t.Fatalf("%s: it has not come to that within %s", what, startWithin)
		}
	}
}

// StartSentinel runs a sentinel until the test ends that watches a master under a name, and takes 200 ms of silence for its end.
func StartSentinel(t testing.TB, name string, master *Server) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\nsentinel down-after-milliseconds %[1]s 200\nsentinel failover-timeout %[1]s 1000\n",
		name, host, port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, path, "--sentinel")
}

// LastSlot is the last slot of a cluster.
const LastSlot = 16383

// StartCluster runs a cluster of two nodes until the test ends, each with half of the slots.
func StartCluster(t testing.TB) (first, second *Server) {
	t.Helper()
	bus := func() string {
		addr, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	secondBus := bus()
	first = Start(t, "--cluster-enabled", "yes", "--cluster-port", bus())
	second = Start(t, "--cluster-enabled", "yes", "--cluster-port", secondBus)
	first.Do("CLUSTER", "ADDSLOTSRANGE", 0, LastSlot/2)
	second.Do("CLUSTER", "ADDSLOTSRANGE", LastSlot/2+1, LastSlot)
	host, port, err := net.SplitHostPort(second.Addr)
	if err != nil {
		t.Fatal(err)
	}
	first.Do("CLUSTER", "MEET", host, port, secondBus)
	for _, s := range []*Server{first, second} {
		s.Until("form a cluster", func() bool {
			info, err := redis.String(s.Do("CLUSTER", "INFO"), nil)
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:2")
		})
	}
	return first, second
}
