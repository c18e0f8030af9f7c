package websocket

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/certtest"
)

// secured serves websockets as feed.example, to clients with a certificate of the authority; it would rather speak HTTP/2.
func secured(t *testing.T, a *certtest.Authority, f func(*websocket.Conn, *http.Request)) string {
	t.Helper()
	return serveWith(t, func(s *httptest.Server) {
		s.EnableHTTP2, s.TLS = true, a.Server("feed.example")
		s.TLS.NextProtos = []string{"h2", "http/1.1"}
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshakes that are meant to fail
		s.StartTLS()
	}, upgraded(t, f))
}

// A websocket over TLS: an authority of one's own, another name than the one dialled, a client certificate, and HTTP/1.1
// with a server that also speaks HTTP/2, which has no upgrade. Seen to fail with each of RootCAs, ServerName, Certificates
// and NextProtos (offering h2) left out of resources.TLS.Config.
func TestTLS(t *testing.T) {
	a := certtest.New(t, t.TempDir())
	a.Leaf("feed.example")
	a.Leaf("client")
	seen := make(chan *http.Request, 1)
	url := secured(t, a, func(conn *websocket.Conn, r *http.Request) {
		seen <- r
		_ = readUntilClosed(conn)
	})
	h := start(t, url, `, "tls": {"ca_file": "`+a.Cert("ca")+`", "server_name": "feed.example",
		"cert_file": "`+a.Cert("client")+`", "key_file": "`+a.Key("client")+`", "min_version": "1.3"}`)
	h.until(resources.StateConnected)
	r := receive(t, seen, "nobody came")
	if r.Proto != "HTTP/1.1" || r.TLS.NegotiatedProtocol != "http/1.1" || r.TLS.ServerName != "feed.example" ||
		r.TLS.PeerCertificates[0].Subject.CommonName != "client" || r.Header.Get(resources.FenceHeader) != "77" {
		t.Errorf("%s, %+v, %v", r.Proto, r.TLS, r.Header)
	}
}

// What is wrong with certificates is said, with the field that would mend it. Seen to fail without the advice, and (it
// connects) with InsecureSkipVerify always set.
func TestTLSTrouble(t *testing.T) {
	a := certtest.New(t, t.TempDir())
	a.Leaf("feed.example")
	a.Leaf("client")
	url := secured(t, a, func(conn *websocket.Conn, _ *http.Request) { _ = readUntilClosed(conn) })
	ca := `"ca_file": "` + a.Cert("ca") + `"`
	client := `"cert_file": "` + a.Cert("client") + `", "key_file": "` + a.Key("client") + `"`
	trouble := func(url, tls, says string) {
		t.Helper()
		h := start(t, url, `, "tls": {`+tls+`}`)
		h.troubled(resources.StateBackingOff, says)
		if h.count.of(h.count.connects, resources.ConnectFailed) != 1 {
			t.Errorf("%s: counted as %v", tls, h.count.connects)
		}
	}
	for tls, says := range map[string]string{
		client: "certificate signed by unknown authority; see tls.ca_file",
		ca:     "certificate required; see tls.cert_file, tls.key_file",
		ca + `, "server_name": "other.example", ` + client:   "not other.example; see url and tls.server_name",
		`"ca_file": "/nowhere"`:                              "read tls.ca_file: open /nowhere",
		`"ca_file": "` + a.Key("ca") + `"`:                   "holds no PEM certificate",
		`"cert_file": "/nowhere", "key_file": "/nowhere"`:    "read tls.cert_file and tls.key_file: open /nowhere",
		`"insecure_skip_verify": true, "min_version": "1.2"`: "certificate required",
	} {
		trouble(url, tls, says)
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("came without TLS") })
	trouble(strings.Replace(plain, "ws:", "wss:", 1), "", "does the server speak TLS on that port?")
}
