package resources

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS is the "tls" field of a spec. It is comparable: equal values give equal configurations.
type TLS struct {
	CAFile             string `json:"ca_file"`
	CertFile           string `json:"cert_file"`
	KeyFile            string `json:"key_file"`
	ServerName         string `json:"server_name"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify"`
	MinVersion         string `json:"min_version" oneof:"1.2 1.3"`
}

// Check says what is wrong with the settings as such; files are looked at when they are used.
func (t TLS) Check() error {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return Wrong("tls", "needs both cert_file and key_file, or neither")
	}
	return nil
}

// Config reads the files and returns a new configuration. Call it for each connection: rotated files then
// count from the next one on.
func (t TLS) Config() (*tls.Config, error) {
	config := &tls.Config{
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
	}
	if t.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// ExplainTLS adds to an error of a connection what to look at when TLS is to blame. Other errors stay as they are.
func ExplainTLS(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		plain     tls.RecordHeaderError
		network   *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w; see tls.ca_file", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w; see url and tls.server_name", err)
	case errors.As(err, &plain):
		return fmt.Errorf("%w; does the server speak TLS on that port?", err)
	case errors.As(err, &network) && network.Op == "remote error": // so crypto/tls calls what the other side complains of
		return fmt.Errorf("%w; see tls.cert_file, tls.key_file and tls.min_version", err)
	}
	return err
}
