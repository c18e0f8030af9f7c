package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/test/certtest"
)

// resolver is a DNS server that all of the test process asks. It answers a question with what it was told, the n-th time with
// the n-th; with nothing for names that it was not told of; and not at all for those told as mute.
type resolver struct {
	mu      sync.Mutex
	answers map[string][]string
	asked   map[string]int
}

const mute = "mute"

// resolve makes answers hold for the time of the test.
func resolve(t *testing.T, answers map[string][]string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &resolver{answers: answers, asked: map[string]int{}}
	var joined sync.WaitGroup
	joined.Go(func() {
		question := make([]byte, 1<<10)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if answer := r.answer(question[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	system := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = system
		_ = conn.Close()
		joined.Wait()
	})
}

func (r *resolver) answer(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Response, m.Additionals, m.RCode = true, nil, dnsmessage.RCodeNameError
	if all := r.answers[name]; len(all) > 0 {
		m.RCode = dnsmessage.RCodeSuccess
		if q.Type == dnsmessage.TypeA {
			is := all[min(r.asked[name], len(all)-1)]
			r.asked[name]++
			if is == mute {
				return nil
			}
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
				Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(is).To4())},
			}}
		}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// A connection that could not be made leaves no doubt: nothing was sent, and the event may be sent again in every mode. Seen to fail with
// Sent set from the beginning.
func TestNoConnection(t *testing.T) {
	resolve(t, map[string][]string{"mute.example": {mute}})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	silent := roughly(t, func(_ *rough, conn net.Conn) { untilClosed(conn) })
	plain := roughly(t, func(_ *rough, conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		untilClosed(conn)
	})
	tlsURL := func(r *rough) string { return strings.Replace(r.url, "http:", "https:", 1) }
	for url, says := range map[string]string{
		"http://" + closed.Addr().String(): "connection refused",
		"http://nowhere.example:8080":      "no such host",
		"http://mute.example:8080":         "no connection within 1s (connect_timeout)",
		tlsURL(silent):                     "no connection within 1s (connect_timeout)",
		tlsURL(plain):                      "does the server speak TLS on that port?",
	} {
		begin := time.Now()
		o := senderTo(t, url, `, "connect_timeout": "1s", "timeout": "20s"`).try(t.Context())
		if o.expect(t, notSent, says); time.Since(begin) > 15*time.Second {
			t.Errorf("%s: took %s", url, time.Since(begin))
		}
	}
	o := senderTo(t, tlsURL(silent), `, "connect_timeout": "1m", "timeout": "200ms"`).try(t.Context())
	o.expect(t, notSent, "no answer within 200ms (timeout)")
}

// What is wrong with certificates is found before anything is sent, and said with the field that would mend it. Seen to fail (it
// is delivered) with InsecureSkipVerify always set.
func TestCertificates(t *testing.T) {
	a := certtest.New(t, t.TempDir())
	a.Leaf("hooks.example")
	a.LeafUntil("late.example", time.Now().Add(-time.Minute))
	a.Leaf("client")
	serve := func(name string, strict bool) string {
		config := a.Server(name)
		if !strict {
			config.ClientAuth = tls.NoClientCert
		}
		r := roughly(t, func(r *rough, conn net.Conn) {
			answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "")(r, tls.Server(conn, config))
		})
		return strings.Replace(r.url, "http:", "https:", 1)
	}
	ca := `, "tls": {"ca_file": "` + a.Cert("ca") + `", "server_name": `
	for _, test := range []struct{ url, fields, says string }{
		{serve("hooks.example", false), "", "certificate signed by unknown authority; see tls.ca_file"},
		{serve("hooks.example", false), ca + `"other.example"}`, "not other.example; see url and tls.server_name"},
		{serve("late.example", false), ca + `"late.example"}`, "certificate has expired"},
		{serve("hooks.example", false), `, "tls": {"ca_file": "/nowhere"}`, "read tls.ca_file: open /nowhere"},
	} {
		senderTo(t, test.url, test.fields).try(t.Context()).expect(t, notSent, test.says)
	}
	senderTo(t, serve("hooks.example", false), ca+`"hooks.example"}`).try(t.Context()).expect(t, delivered, "")
	client := ca + `"hooks.example", "cert_file": "` + a.Cert("client") + `", "key_file": "` + a.Key("client") + `"}`
	senderTo(t, serve("hooks.example", true), client).try(t.Context()).expect(t, delivered, "")
	// TLS 1.3 tells a client only after the handshake that its certificate is missed: by then a request may be on its way.
	senderTo(t, serve("hooks.example", true), ca+`"hooks.example"}`).try(t.Context()).expect(t, inDoubt, "")
}

// A name is judged by what it resolves to at each dial, so one that changes its answer gains nothing; nor does one address written
// in another way. Seen to fail with Control left out of the dialer.
func TestGuard(t *testing.T) {
	resolve(t, map[string][]string{"turns.example": {"127.0.0.1", "127.0.0.2", "169.254.169.254", "10.0.0.1"}})
	r := roughly(t, func(r *rough, conn net.Conn) {
		answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "")(r, conn)
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	s := senderTo(t, "http://turns.example:"+port, "")
	s.try(t.Context()).expect(t, delivered, "")
	for _, says := range []string{"excluded by the resource's own spec", "a metadata service", "in a private network; start the node with --egress-allow-private"} {
		o := s.try(t.Context())
		if o.expect(t, notSent, says); !resources.IsBlocked(o.err) {
			t.Errorf("%v", o.err)
		}
	}
}

// With the strictest guard no way of writing an address of this machine or of a cloud's metadata passes.
func TestAddressesInDisguise(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost", "[::ffff:169.254.169.254]", "0.0.0.0", "127.1"} {
		spec, err := readSpec([]byte(`{"url": "http://` + host + `/", ` + topics + `, "network": {"allow_http": true}}`))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		clients := post.NewClients(nil)
		o := newSender(spec, clients, "drm/test", "drm.example").try(t.Context())
		var unknown *net.DNSError
		if o.verdict != notSent || !resources.IsBlocked(o.err) && !errors.As(o.err, &unknown) {
			t.Errorf("%s: %d, %v", host, o.verdict, o.err)
		}
		clients.Close()
	}
}
