package lease

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/drm-cluster/drm/test/etcdtest"
)

// authority makes certificates in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	a := &authority{t: t, dir: dir}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.make("ca", ca)
	return a
}

func (a *authority) make(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// leaf makes a certificate for a server on 127.0.0.1 and for a client.
func (a *authority) leaf(name string) {
	a.make(name, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// secured starts an etcd that wants client certificates of the authority.
func secured(t *testing.T, a *authority) *etcdtest.Server {
	a.leaf("server")
	return etcdtest.Start(t, func(c *embed.Config) {
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = a.file("server.crt"), a.file("server.key")
		c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = a.file("ca.crt"), true
	})
}

func with(a *authority, name string) func(*Config) {
	return func(c *Config) {
		c.CACert, c.Cert, c.Key = a.file("ca.crt"), a.file(name+".crt"), a.file(name+".key")
		c.RequestTimeout = 5 * time.Second
	}
}

func TestTLSWithClientCertificates(t *testing.T) {
	a := newAuthority(t, t.TempDir())
	e := secured(t, a)
	a.leaf("node")
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

// Everything changes hands, authority and all. Seen to fail with reloading.now() using the first configuration.
func TestReloadTLSServesNewConnections(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, t.TempDir())
	e := secured(t, a)
	a.leaf("node")
	s := open(t, e.Endpoints(), with(a, "node"))
	commit(t, s, put("claims/a/1"))
	e.Stop()
	a = newAuthority(t, a.dir)
	a.leaf("node")
	a.leaf("server")
	if err := os.Rename(a.file("node.key"), a.file("node.key.later")); err != nil {
		t.Fatal(err)
	}
	says(t, s.ReloadTLS(), "node.key", "stay in use")
	if err := os.Rename(a.file("node.key.later"), a.file("node.key")); err != nil {
		t.Fatal(err)
	}
	if err := s.ReloadTLS(); err != nil {
		t.Fatal(err)
	}
	e.Start(t)
	commit(t, s, put("claims/a/2"))
}
