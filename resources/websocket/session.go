package websocket

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/drm-cluster/drm/resources"
)

// controlTimeout is how long a pong or close frame may take to be written. They are small: longer means that the
// other side has read nothing for long.
const controlTimeout = time.Second

// session is one open connection. The goroutine of Run reads, answers and does what messages ask for; alarms ping and renew; and whoever
// sends by Runner.Send writes.
type session struct {
	*hold
	link    *link
	conn    *websocket.Conn
	since   time.Time // when it was opened
	heard   time.Time // when the last part of a message came in
	until   time.Time // by when the handshake's step has to be over; zero after it
	resumed bool      // it began with what was captured
	listens bool      // messages are read for expressions
	doubted bool      // that an expression fails was said
	usual   int       // bytes of the last message, within bounds: the next is most likely alike

	alarms []*alarm
	cause  atomic.Pointer[ended] // why an alarm ended it

	writing sync.Mutex // messages; control frames go in between
}

func (h *hold) newSession(conn *websocket.Conn, l *link) *session {
	now := time.Now()
	s := &session{hold: h, conn: conn, link: l, since: now, heard: now, listens: h.spec.listens()}
	l.await = s.touch
	conn.SetReadLimit(int64(h.spec.MaxMessageSize))
	conn.EnableWriteCompression(false) // what we send is small, and a compressor takes 1 MiB
	conn.SetPingHandler(s.pinged)
	return s
}

// setAlarms starts to ping, and to count down to the renewal.
func (s *session) setAlarms() {
	if s.spec.Ping.Type != pingNone {
		s.alarms = append(s.alarms, setAlarm(s.untilPing(), s.ping))
	}
	if s.spec.MaxLifetime > 0 {
		s.alarms = append(s.alarms, setAlarm(s.lifetime(), s.renew))
	}
}

// close ends the connection and everything that was started for it.
func (s *session) close() {
	s.live.CompareAndSwap(s, nil)
	_ = s.link.Close() // first, so that an alarm that writes ends; it may have been closed before
	for _, a := range s.alarms {
		a.stop()
	}
	s.link.release()
}

// serve reads until the connection is over and returns what ended it.
func (s *session) serve() error {
	for {
		m, err := s.read()
		if err != nil {
			return err
		}
		if err := s.take(m, false); err != nil {
			return err
		}
	}
}

// write writes one message.
func (s *session) write(kind int, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Duration(s.spec.WriteTimeout))) // never fails
	return s.conn.WriteMessage(kind, data)
}

// received is one message of the other side.
type received struct {
	data []byte
	text bool
}

// read returns the next message that is none of the answers to pings.
func (s *session) read() (received, error) {
	for {
		kind, reader, err := s.conn.NextReader()
		if err != nil {
			return received{}, err
		}
		data, err := s.readAll(reader)
		if err != nil {
			return received{}, err
		}
		text := kind == websocket.TextMessage
		if text && s.spec.Ping.Pong != "" && string(data) == s.spec.Ping.Pong {
			continue
		}
		s.meter.Receive(Kind)
		if text && s.spec.ValidateUTF8 && !utf8.Valid(data) {
			s.meter.Drop(Kind, resources.DropInvalidUTF8, 1)
			s.hangUp(websocket.CloseInvalidFramePayloadData)
			return received{}, end(paceMax, "received a text message that is not valid UTF-8; set validate_utf8 to false to take it")
		}
		return received{data, text}, nil
	}
}

// readAll reads one message of a bounded size. The library's own limit counts bytes on the wire only: a few
// hundred kilobytes of compressed zeros are hundreds of megabytes here.
func (s *session) readAll(r io.Reader) ([]byte, error) {
	limit := int(s.spec.limit())
	data := make([]byte, 0, s.usual+1) // so that there is room to find the end in
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		s.heard = time.Now()
		switch {
		case len(data) > limit:
			s.hangUp(websocket.CloseMessageTooBig)
			return nil, websocket.ErrReadLimit
		case errors.Is(err, io.EOF):
			s.usual = min(max(len(data), 63), 4<<10)
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}

// pinged answers a ping of the other side.
func (s *session) pinged(payload string) error {
	err := s.conn.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(controlTimeout))
	if errors.Is(err, websocket.ErrCloseSent) {
		return nil // the answer to our close frame is still to be read
	}
	return err
}

// touch sets the time by which something has to come that is waited for from now on. All that was there has been read.
func (s *session) touch() error {
	until := s.until
	if until.IsZero() && s.spec.Ping.Type != pingNone {
		until = time.Now().Add(time.Duration(s.spec.Ping.Interval + s.spec.Ping.Timeout))
	}
	if idle := time.Duration(s.spec.IdleTimeout); idle > 0 && s.until.IsZero() {
		if quiet := s.heard.Add(idle); until.IsZero() || quiet.Before(until) {
			until = quiet
		}
	}
	return s.link.SetReadDeadline(until)
}

// untilPing is an interval, shortened at random: many connections opened together don't ping together for ever.
func (s *session) untilPing() time.Duration {
	interval := time.Duration(s.spec.Ping.Interval)
	return resources.Jitter(interval-interval/10, interval)
}

// lifetime is max_lifetime, shortened at random: many connections opened together are not to be made anew together.
func (s *session) lifetime() time.Duration {
	life := time.Duration(s.spec.MaxLifetime)
	return resources.Jitter(life-life/10, life)
}

// ping asks the other side for a sign of life.
func (s *session) ping() time.Duration {
	var err error
	if s.spec.Ping.Type == pingMessage {
		err = s.pingMessage()
	} else {
		err = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Duration(s.spec.WriteTimeout)))
	}
	if err != nil {
		s.fail(end(paceBackoff, "ping: %w", err))
		return 0
	}
	return s.untilPing()
}

// pingMessage sends the text that is a ping. It counts as a message, and waits for none: it is asked for in time.
func (s *session) pingMessage() error {
	text, err := s.spec.Ping.Message.fill(terms{Resume: s.memory.values()}, s.spec.Secrets)
	if err != nil {
		return err
	}
	if s.pace != nil {
		s.pace.Reserve()
	}
	return s.write(websocket.TextMessage, []byte(text))
}

// renew ends the connection before the other side does; the next one follows at once.
func (s *session) renew() time.Duration {
	why := end(paceNow, "renewed: it was open for max_lifetime")
	s.cause.CompareAndSwap(nil, why) // before the server can answer our goodbye, which is not its own wish to close
	s.hangUp(s.spec.CloseOnHandover)
	s.fail(why)
	return 0
}

// hangUp says goodbye; the connection is closed right after.
func (s *session) hangUp(code int) {
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(controlTimeout))
}

// fail ends the connection from an alarm.
func (s *session) fail(why *ended) {
	s.cause.CompareAndSwap(nil, why)
	_ = s.link.Close()
}

// why turns what ended the reading into what follows from it.
func (s *session) why(err error) *ended {
	var own *ended
	var closed *websocket.CloseError
	switch cause := s.cause.Load(); {
	case cause != nil:
		return cause
	case errors.As(err, &own):
		return own
	case errors.As(err, &closed):
		if slices.Contains(s.spec.CloseCodes.NoResume, closed.Code) {
			s.memory.forget()
		}
		return end(s.spec.pace(closed.Code), "closed by the server with code %d %q", closed.Code, closed.Text)
	case errors.Is(err, websocket.ErrReadLimit):
		s.meter.Drop(Kind, resources.DropTooBig, 1)
		return end(paceMax, "received a message of more than %d bytes; see max_message_size and max_decompressed_size",
			s.spec.limit())
	case isTimeout(err):
		return s.silence()
	}
	return end(paceBackoff, "connection lost: %w", err)
}

// silence says which time-out has passed.
func (s *session) silence() *ended {
	why := end(paceBackoff, "silent: nothing came in time, not even an answer to a ping (ping.interval, ping.timeout)")
	if idle := time.Duration(s.spec.IdleTimeout); idle > 0 && time.Since(s.heard) >= idle {
		why = end(paceBackoff, "silent: no message for %s (idle_timeout)", idle)
	}
	why.state = resources.StateSilent
	return why
}
