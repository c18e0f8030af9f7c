package webhook

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// fault is a receiver that misbehaves, and what is to come of an attempt.
type fault struct {
	serve  func(*rough, net.Conn)
	data   string // of the event; the usual one if empty
	want   verdict
	status int
	says   string // the error
	posts  int64  // whole requests that arrive
}

func (f fault) test(t *testing.T, timeout string) outcome {
	t.Helper()
	r := roughly(t, f.serve)
	s := senderTo(t, r.url+"/in?key=hush", `, "timeout": "`+timeout+`", "payload": "raw", "max_payload": "16MiB"`)
	e := order()
	if f.data != "" {
		e.Data = []byte(f.data)
	}
	o := s.attempt(t.Context(), e, 1, 41)
	if o.took > 20*time.Second { // on the busiest of machines
		t.Errorf("took %s", o.took)
	}
	o.expect(t, f.want, f.says)
	if o.status != f.status || r.posts.Load() != f.posts || r.conns.Load() != 1 || o.err != nil && strings.Contains(o.err.Error(), "hush") {
		t.Errorf("status %d (want %d), %d requests (want %d) on %d connections, %v", o.status, f.status, r.posts.Load(), f.posts, r.conns.Load(), o.err)
	}
	return o
}

// A receiver that was sent an event, or part of it, and gives no proper answer leaves it in doubt, after the timeout at the
// latest. Seen to fail with Sent never set, without a limit on the head of an answer, and without the timeout.
func TestNoAnswer(t *testing.T) {
	big := strings.Repeat("x", 8<<20)
	const late = "no answer within 3s (timeout)"
	for name, f := range map[string]fault{
		"drops what it accepted":   {serve: func(_ *rough, c net.Conn) { _ = c.Close() }, want: inDoubt},
		"reads nothing":            {serve: hangs, data: big, want: inDoubt, says: late},
		"reads a byte at a time":   {serve: sips, data: big, want: inDoubt, says: late},
		"drops what it read":       {serve: reads(func(c net.Conn) { _ = c.Close() }), want: inDoubt, says: "EOF", posts: 1},
		"resets what it read":      {serve: reads(reset), want: inDoubt, says: "reset by peer", posts: 1},
		"never answers":            {serve: reads(untilClosed), want: inDoubt, says: late, posts: 1},
		"answers with something":   {serve: answering("hello there, what is it?\r\n\r\n", ""), want: inDoubt, says: "malformed HTTP", posts: 1},
		"answers half":             {serve: reads(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: ") }), want: inDoubt, says: "EOF", posts: 1},
		"sends a header of 1 MB":   {serve: answering("HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 1<<20)+"\r\n\r\n", ""), want: inDoubt, says: "response headers exceeded", posts: 1},
		"sends headers for ever":   {serve: answering("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"), want: inDoubt, says: "response headers exceeded", posts: 1},
		"sends 1xx for ever":       {serve: answering("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), want: inDoubt, says: "", posts: 1},
		"sends an endless line":    {serve: answering("HTTP/1.1 200 ", strings.Repeat("O", 1000)), want: inDoubt, says: "", posts: 1},
		"sends 100 and falls mute": {serve: answering("HTTP/1.1 100 Continue\r\n\r\n", ""), want: inDoubt, says: late, posts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.test(t, "3s")
		})
	}
}

func hangs(r *rough, conn net.Conn) { <-r.closing }

// sips reads a byte now and then.
func sips(r *rough, conn net.Conn) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.closing:
			return
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return
		}
	}
}

// reads reads a request and does something else than to answer.
func reads(then func(net.Conn)) func(*rough, net.Conn) {
	return func(r *rough, conn net.Conn) {
		if r.readPost(bufio.NewReader(conn)) == nil {
			then(conn)
		}
	}
}

// What follows the status does not change what it said, and holds an attempt for a second, not for its timeout. Seen to fail (it
// takes the minute) without maxLinger, and (it never ends) with the body of a 101 read.
func TestAnswersWithoutMeasure(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("z", 64<<10))
	for name, f := range map[string]fault{
		"chunks without end":      {serve: answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk), want: delivered, status: 200, posts: 1},
		"10 GiB":                  {serve: answering("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", chunk), want: delivered, status: 200, posts: 1},
		"a body that never comes": {serve: answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""), want: delivered, status: 200, posts: 1},
		"a body that trickles":    {serve: trickles, want: refused, status: 500, says: "500", posts: 1},
		"a body cut short":        {serve: reads(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab") }), want: delivered, status: 200, posts: 1},
		"a broken chunk":          {serve: answering("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""), want: delivered, status: 202, posts: 1},
		"204 with a body":         {serve: answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", ""), want: delivered, status: 204, posts: 1},
		"HTTP/1.0":                {serve: reads(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nfine") }), want: delivered, status: 200, posts: 1},
		"100, 103 and 200":        {serve: answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""), want: delivered, status: 200, posts: 1},
		"another protocol":        {serve: answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ""), want: refused, status: 101, says: "101", posts: 1},
		"an early refusal":        {serve: early, data: strings.Repeat("x", 8<<20), want: refused, status: 413, says: "413 Request Entity Too Large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := f.test(t, "1m"); len(o.body) > 2048 {
				t.Errorf("kept %d bytes", len(o.body))
			}
		})
	}
}

func trickles(r *rough, conn net.Conn) {
	if r.readPost(bufio.NewReader(conn)) != nil {
		return
	}
	_, err := io.WriteString(conn, "HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		select {
		case <-tick.C:
			_, err = io.WriteString(conn, ".")
		case <-r.closing:
			return
		}
	}
}

// early answers when it has seen no more than the head of a request.
func early(_ *rough, conn net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		untilClosed(conn)
	}
}

// An answer is kept for the log as it came: not unpacked, cut to log_response_bytes, and as text.
func TestKeptAnswer(t *testing.T) {
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, _ = packer.Write(make([]byte, 64<<20))
	_ = packer.Close()
	rec := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	o := senderTo(t, rec.URL, "").try(t.Context())
	if o.expect(t, delivered, ""); len(o.body) > 3*2048 || !strings.HasPrefix(o.body, "\x1f\uFFFD") {
		t.Errorf("%d bytes: %.20q", len(o.body), o.body)
	}
	rec = receive(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no such customer") })
	if o := senderTo(t, rec.URL, `, "log_response_bytes": 7`).try(t.Context()); o.body != "no such" {
		t.Errorf("kept %q", o.body)
	}
	if o := senderTo(t, rec.URL, `, "log_response_bytes": 0`).try(t.Context()); o.body != "" {
		t.Errorf("kept %q", o.body)
	}
}

// A redirect is a refusal: nothing goes to where it points, least of all credentials. Seen to fail (the second gets a GET with
// them, and it counts as delivered) with the client's own CheckRedirect.
func TestRedirects(t *testing.T) {
	other := receive(t, status(http.StatusOK))
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{other.URL + "/login?key=hush", "", "/again", "//%zz"} {
			rec := receive(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Location"] = []string{location}
				w.WriteHeader(code)
			})
			s := senderTo(t, rec.URL+"/again", `, "auth": {"type": "bearer", "token": "t"}`)
			o := s.try(t.Context())
			o.expect(t, refused, fmt.Sprint(code))
			if o.status != code || len(rec.requests) != 1 || len(other.requests) != 0 || strings.Contains(o.err.Error(), "hush") {
				t.Errorf("%d to %q: %d requests, %d to the other, %v", code, location, len(rec.requests), len(other.requests), o.err)
			}
		}
	}
}
