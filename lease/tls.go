package lease

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

func (c Config) loadTLS() (*tls.Config, error) {
	t := &tls.Config{ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if c.CACert != "" {
		pem, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, fmt.Errorf("read CA certificates: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA certificates: %s has no PEM certificate", c.CACert)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read client certificate %s: %w", c.Cert, err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// reloading are transport credentials that read the files for each new connection, the authorities too: certificates that
// live for hours are renewed in place, and nobody sends a signal then. What was read last stays in use while the files
// can't be used, such as a certificate whose key has not been written yet.
type reloading struct {
	cfg  Config
	last atomic.Pointer[tls.Config]
}

func (r *reloading) reload() error {
	t, err := r.cfg.loadTLS()
	if err == nil {
		r.last.Store(t)
	}
	return err
}

func (r *reloading) now() credentials.TransportCredentials { return credentials.NewTLS(r.last.Load()) }

func (r *reloading) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if err := r.reload(); err != nil {
		r.cfg.Log.Warn("connect to etcd with the certificates read before; those in the files can't be used", "err", err)
	}
	return r.now().ClientHandshake(ctx, authority, conn)
}

func (r *reloading) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("shake hands: these credentials are a client's")
}

func (r *reloading) Info() credentials.ProtocolInfo { return r.now().Info() }

// Clone returns r: a connection must see what is read later.
func (r *reloading) Clone() credentials.TransportCredentials { return r }

// OverrideServerName is part of gRPC's interface and not used by it any more; the name comes from Config.
func (r *reloading) OverrideServerName(string) error { return nil }

// ReloadTLS reads the certificate files, as each new connection does by itself; connections that are open stay. When a
// file can't be used, the error says so and nothing changes. Without TLS it does nothing.
func (s *Store) ReloadTLS() error {
	if s.tls == nil {
		return nil
	}
	if err := s.tls.reload(); err != nil {
		return fmt.Errorf("reload certificates: %w; the ones read before stay in use", err)
	}
	return nil
}
