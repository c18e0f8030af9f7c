package lease

import (
	"os"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/test/certtest"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// secured starts an etcd that wants client certificates of the authority.
func secured(t *testing.T, a *certtest.Authority) *etcdtest.Server {
	a.Leaf("server")
	return etcdtest.Start(t, func(c *embed.Config) {
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = a.Cert("server"), a.Key("server")
		c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = a.Cert("ca"), true
	})
}

func with(a *certtest.Authority, name string) func(*Config) {
	return func(c *Config) {
		c.CACert, c.Cert, c.Key = a.Cert("ca"), a.Cert(name), a.Key(name)
		c.RequestTimeout = 5 * time.Second
	}
}

func TestTLSWithClientCertificates(t *testing.T) {
	a := certtest.New(t, t.TempDir())
	e := secured(t, a)
	a.Leaf("node")
	s := open(t, e.Endpoints(), with(a, "node"))
	if _, err := s.Check(timeout(t)); err != nil {
		t.Fatal(err)
	}
	grant(t, s, 1<<16, 10*time.Second)
	if acks, err := renew(t, s, within, 1<<16); err != nil || len(acks) != 1 {
		t.Error(acks, err)
	}
	follow(t, s).complete()

	quick := func(c *Config) { c.RequestTimeout = 3 * time.Second }
	stranger := open(t, e.Endpoints(), func(c *Config) { c.InsecureSkipVerify = true }, quick)
	if _, err := stranger.Check(timeout(t)); err == nil {
		t.Error("a client without a certificate was let in")
	}
	suspicious := open(t, e.Endpoints(), func(c *Config) { c.ServerName = "etcd.example" }, quick)
	_, err := suspicious.Check(timeout(t))
	says(t, err, "certificate", "reach etcd")
}

// Everything changes hands, authority and all, and nobody says so: the next connection uses what is in the files by then.
// While they can't be used, those read before do. Seen to fail with the files read only by Open and ReloadTLS, and with a
// handshake that fails when its files do.
func TestCertificatesAreReadForEachConnection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := certtest.New(t, dir)
	e := secured(t, a)
	a.Leaf("node")
	s := open(t, e.Endpoints(), with(a, "node"))
	commit(t, s, put("claims/a/1"))

	if err := os.Rename(a.Key("node"), a.Key("later")); err != nil {
		t.Fatal(err)
	}
	says(t, s.ReloadTLS(), "node.key", "stay in use")
	e.Stop()
	e.Start(t)
	commit(t, s, put("claims/a/2"))
	if err := os.Rename(a.Key("later"), a.Key("node")); err != nil {
		t.Fatal(err)
	}
	if err := s.ReloadTLS(); err != nil {
		t.Fatal(err)
	}

	e.Stop()
	a = certtest.New(t, dir)
	a.Leaf("node")
	a.Leaf("server")
	e.Start(t)
	commit(t, s, put("claims/a/3"))
}
