package redisconn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
)

const (
	wireBuffer = 4 << 10 // and the longest line, such as an error
	maxDigits  = 12      // of an announced length
	maxDepth   = 8       // of arrays in arrays
	// maxElements bounds how many elements one reply has, all arrays together; each costs 16 bytes before its own are counted.
	maxElements = 1 << 20
)

// Limits say how much is taken of what a server sends. Beyond them a string is left out, and nil in its place: the next reply is
// read as if nothing had happened.
type Limits struct {
	// String bounds the bytes of one string.
	String int64
	// Reply bounds the bytes of all strings of one reply. From the first that goes beyond it, all are left out.
	Reply int64
}

var usualLimits = Limits{String: 1 << 20, Reply: 4 << 20}

// wire follows the replies (RESP2) that come over a connection, to judge what they announce before the library sees it, which
// allocates whatever it is told.
type wire struct {
	net.Conn
	plain  net.Conn // below TLS
	in     *bufio.Reader
	limits atomic.Pointer[Limits]

	// Owned by the reading goroutine.
	limit    Limits // of the reply that is read
	head     []byte // of a line that is still to be handed on
	body     int64  // bytes of a string, with its line end, that are still to be handed on
	skip     int64  // the same, that are to be left out
	open     []int  // how many elements are still to come of each array that has begun
	spent    int64  // bytes of the reply's strings
	elements int    // of the reply
}

func newWire(c, plain net.Conn) *wire {
	w := &wire{Conn: c, plain: plain, in: bufio.NewReaderSize(c, wireBuffer)}
	w.limits.Store(&usualLimits)
	return w
}

// Close implements net.Conn. It ends the connection without a goodbye: that of TLS would wait for a server that reads nothing.
func (w *wire) Close() error { return w.plain.Close() }

// Read implements net.Conn. It returns as much as there is without waiting for more.
func (w *wire) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && (n == 0 || w.ready()) {
		m, err := w.some(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// ready tells whether some has something to do that needs no waiting.
func (w *wire) ready() bool {
	if len(w.head) > 0 {
		return true
	}
	at, _ := w.in.Peek(w.in.Buffered()) // never fails
	return len(at) > 0 && (w.body > 0 || w.skip > 0 || bytes.IndexByte(at, '\n') >= 0)
}

// some hands on, leaves out or judges what comes next.
func (w *wire) some(p []byte) (n int, err error) {
	switch {
	case len(w.head) > 0:
		n = copy(p, w.head)
		w.head = w.head[n:]
	case w.body > 0:
		n, err = w.in.Read(p[:min(int64(len(p)), w.body)])
		w.body -= int64(n)
	case w.skip > 0:
		var left int
		left, err = w.in.Discard(int(min(w.skip, int64(max(1, w.in.Buffered())))))
		w.skip -= int64(left)
	default:
		err = w.next()
	}
	return n, err
}

// next reads the line that begins a value.
func (w *wire) next() error {
	line, err := w.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("%w: it sent a line of more than %d bytes", errNotRedis, wireBuffer)
	case err != nil:
		return err
	}
	text, whole := bytes.CutSuffix(line, []byte("\r\n"))
	if !whole || len(text) == 0 {
		return garbage(line)
	}
	if len(w.open) == 0 {
		w.limit, w.spent, w.elements = *w.limits.Load(), 0, 0
	}
	w.head = line
	switch text[0] {
	case '+', '-', ':':
		w.done()
		return nil
	case '$', '*':
		n, err := length(text)
		switch {
		case err != nil:
			return err
		case n < 0: // nil
			w.done()
		case text[0] == '*':
			return w.array(n)
		default:
			w.bulk(n)
		}
		return nil
	}
	return garbage(line)
}

// bulk begins a string of n bytes.
func (w *wire) bulk(n int64) {
	switch {
	case n > w.limit.String:
		w.head, w.skip = []byte("$-1\r\n"), n+2
	case n > w.limit.Reply-w.spent:
		w.spent = w.limit.Reply // so that what follows is left out too, however short: see Limits
		w.head, w.skip = []byte("$-1\r\n"), n+2
	default:
		w.spent += n
		w.body = n + 2
	}
	w.done()
}

// array begins an array of n elements.
func (w *wire) array(n int64) error {
	if n == 0 {
		w.done()
		return nil
	}
	if len(w.open) == maxDepth || n > int64(maxElements-w.elements) {
		return fmt.Errorf("%w: it announced more than %d elements, or arrays in arrays in arrays", errNotRedis, maxElements)
	}
	w.elements += int(n)
	w.open = append(w.open, int(n))
	return nil
}

// done ends a value, and the arrays of which it was the last.
func (w *wire) done() {
	for i := len(w.open) - 1; i >= 0; i-- {
		if w.open[i]--; w.open[i] > 0 {
			return
		}
		w.open = w.open[:i]
	}
}

// length reads the number of a line; -1 is nil.
func length(line []byte) (int64, error) {
	digits := string(line[1:])
	if digits == "-1" {
		return -1, nil
	}
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || len(digits) > maxDigits {
		return 0, garbage(line)
	}
	return int64(n), nil
}

var errNotRedis = errors.New("the server does not speak redis (RESP2) as expected")

// garbage shows how it begins what is not RESP2: that often tells who is at the other end.
func garbage(line []byte) error {
	const shown = 40
	hint := ""
	if line[0] == 0x15 { // an alert of TLS
		hint = "; does it want TLS (rediss://)?"
	}
	return fmt.Errorf("%w: it sent %q%s", errNotRedis, line[:min(len(line), shown)], hint)
}
