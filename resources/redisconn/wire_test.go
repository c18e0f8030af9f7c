package redisconn

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gomodule/redigo/redis"
)

// feed is a connection on which a text comes in, and what is written goes nowhere.
type feed struct {
	net.Conn
	io.Reader
}

func (f feed) Read(b []byte) (int, error)      { return f.Reader.Read(b) }
func (f feed) Close() error                    { return nil }
func (f feed) SetReadDeadline(time.Time) error { return nil }

// passed returns what the library would be given of a text.
func passed(r io.Reader, l Limits) (string, error) {
	w := newWire(feed{Reader: r}, nil)
	w.limits.Store(&l)
	got, err := io.ReadAll(w)
	return string(got), err
}

const message = "*3\r\n$7\r\nmessage\r\n$2\r\nab\r\n"

// What is within the limits passes unchanged, and what is too long is left out as if it were nil; the next reply is whole. So it is
// however the bytes come. Seen to fail without ready's look for a whole line (a reply was held back until the next one), and with
// skip one byte short.
func TestWire(t *testing.T) {
	limits := Limits{String: 10, Reply: 25}
	for text, want := range map[string]string{
		"+OK\r\n-ERR no\r\n:12\r\n$-1\r\n*-1\r\n*0\r\n":                     "",
		message + "$3\r\na\r\n\r\n" + message + "$0\r\n\r\n":                "",
		"$10\r\n0123456789\r\n":                                             "",
		"$11\r\n01234567890\r\n+OK\r\n":                                     "$-1\r\n+OK\r\n",
		message + "$11\r\n01234567890\r\n" + message + "$1\r\nx\r\n":        message + "$-1\r\n" + message + "$1\r\nx\r\n",
		"*4\r\n" + strings.Repeat("$9\r\n012345678\r\n", 4) + "+OK\r\n":     "*4\r\n" + strings.Repeat("$9\r\n012345678\r\n", 2) + "$-1\r\n$-1\r\n+OK\r\n",
		"*4\r\n" + strings.Repeat("$9\r\n012345678\r\n", 3) + "$1\r\nx\r\n": "*4\r\n" + strings.Repeat("$9\r\n012345678\r\n", 2) + "$-1\r\n$-1\r\n",
		"*2\r\n*1\r\n$99\r\n" + strings.Repeat("x", 99) + "\r\n$1\r\nx\r\n": "*2\r\n*1\r\n$-1\r\n$1\r\nx\r\n",
	} {
		if want == "" {
			want = text
		}
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
			"with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			if got, err := passed(r, limits); got != want || err != nil {
				t.Errorf("%q, %s: passed %q (%v), want %q", text, name, got, err, want)
			}
		}
	}
}

// A reply is handed on while only a part of the next one is there: it may take long to come.
func TestWireHoldsNothingBack(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	w := newWire(ours, ours)
	defer w.Close()
	go func() { _, _ = theirs.Write([]byte("+OK\r\n$1")) }()
	b := make([]byte, 100)
	if n, err := w.Read(b); string(b[:n]) != "+OK\r\n" || err != nil {
		t.Errorf("read %q (%v)", b[:n], err)
	}
}

// Nothing that a server sends makes it past the wire that would have the library panic, or allocate without bound. Seen to
// fail without the bounds: of elements (a panic in the library), of depth, and of lines.
func TestWireRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n":           `it sent "HTTP/1.1 400 Bad Request\r\n"`,
		"\x15\x03\x03\x00\x02\x02\x46\r\n":       "does it want TLS",
		"\r\n":                                   `it sent "\r\n"`,
		"+OK\n":                                  `it sent "+OK\n"`,
		"$\r\n":                                  `it sent "$"`,
		"$-2\r\n":                                `it sent "$-2"`,
		"$9999999999999\r\n":                     "it sent",
		"$99999999999999999999999\r\n":           "it sent",
		"*99999999999\r\n":                       "elements",
		"*1048575\r\n*3\r\n":                     "elements",
		strings.Repeat("*1\r\n", 9):              "arrays in arrays",
		"+" + strings.Repeat("x", 5000) + "\r\n": "line of more than 4096 bytes",
		"%1\r\n+a\r\n+b\r\n":                     `it sent "%1\r\n"`, // RESP3
		"*2\r\n$1\r\na\r\n" + string(bytes.Repeat([]byte{0}, 9)) + "\n": "it sent",
	} {
		_, err := passed(strings.NewReader(text), usualLimits)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %s", text, err, want)
		}
	}
}

// An announced string of 512 MB costs no memory.
func TestWireLongString(t *testing.T) {
	const announced = 512 << 20
	r := io.MultiReader(strings.NewReader("$536870912\r\n"), io.LimitReader(zeros{}, announced), strings.NewReader("\r\n+OK\r\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := passed(r, usualLimits)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; got != "$-1\r\n+OK\r\n" || err != nil || took > 1<<20 {
		t.Errorf("passed %q (%v) and took %d bytes", got, err, took)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzWire: whatever comes, the library neither panics nor is given more than the limits allow, and what passes is as long as what came
// or shorter. Seen to fail (the library panics) without the bound of elements.
func FuzzWire(f *testing.F) {
	f.Add([]byte(message + "$3\r\nabc\r\n$99\r\nx"))
	f.Add([]byte("*999999999999\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		from := feed{Reader: bytes.NewReader(text)}
		w := newWire(from, from)
		w.limits.Store(&Limits{String: 8, Reply: 16})
		conn := redis.NewConn(w, 0, 0)
		for range 100 {
			reply, _ := conn.Receive()
			if s, ok := reply.([]byte); ok && len(s) > 8 {
				t.Fatalf("%q gave a string of %d bytes", text, len(s))
			}
			if conn.Err() != nil {
				return
			}
		}
	})
}
