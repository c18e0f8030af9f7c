package etcdtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const startWithin = 20 * time.Second

// Server is one etcd member inside this process.
type Server struct {
	Endpoint string // http://127.0.0.1:port, or https:// when Config.ClientTLSInfo is set
	Dir      string // the data directory
	Etcd     *embed.Etcd

	configure []func(*embed.Config)
}

// Endpoints returns the one endpoint, as a client's configuration wants it.
func (s *Server) Endpoints() []string { return []string{s.Endpoint} }

// Start runs a member until the test ends. The functions may change its configuration before it starts.
func Start(t testing.TB, configure ...func(*embed.Config)) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), configure: configure}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// Start runs a stopped member again, on the data in Dir and on the port that it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = s.Dir
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	peer := url.URL{Scheme: "http", Host: freePort(t, "127.0.0.1")}
	client := url.URL{Scheme: "http", Host: freePort(t, "127.0.0.1")}
	if s.Endpoint != "" {
		before, err := url.Parse(s.Endpoint)
		if err != nil {
			t.Fatalf("read endpoint: %v", err)
		}
		client.Host = before.Host
	}
	for _, c := range s.configure {
		c(cfg)
	}
	if !cfg.ClientTLSInfo.Empty() {
		client.Scheme = "https"
	}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatalf("start etcd: %v", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		etcd.Close()
		t.Fatalf("start etcd: %v", err)
	case <-time.After(startWithin):
		etcd.Close()
		t.Fatalf("start etcd: not ready within %v", startWithin)
	}
	s.Etcd, s.Endpoint = etcd, client.String()
}

// Stop ends the member; its data stays. Stopping a stopped member does nothing.
func (s *Server) Stop() {
	if s.Etcd != nil {
		s.Etcd.Close()
		s.Etcd = nil
	}
}

// Client returns a client of the endpoints for the test's own look at etcd, closed when the test ends.
func Client(t testing.TB, endpoints []string, configure ...func(*clientv3.Config)) *clientv3.Client {
	t.Helper()
	cfg := clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()}
	for _, c := range configure {
		c(&cfg)
	}
	client, err := clientv3.New(cfg)
	if err != nil {
		t.Fatalf("open etcd client: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// freePort returns an address with an IP of this machine that nobody listens on now, and that no other test is given until this one ends: a
// listener on the same port of 127.0.0.2 marks it as taken, for other processes too. It lies below the ports that the
// system gives to outgoing connections, so that a member that is restarted finds its port still free.
func freePort(t testing.TB, ip string) string {
	t.Helper()
	var err error
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		var mark, l net.Listener
		if mark, err = net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port)); err != nil {
			continue
		}
		if l, err = net.Listen("tcp", fmt.Sprintf("%s:%d", ip, port)); err != nil {
			mark.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { mark.Close() })
		return l.Addr().String()
	}
	t.Fatalf("find a free port: %v", err)
	return ""
}
