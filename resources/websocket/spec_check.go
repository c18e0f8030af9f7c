package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/drm-cluster/drm/resources"
)

// ownHeaders are set by drm, so a spec can't.
var ownHeaders = []string{
	"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol",
	resources.FenceHeader,
}

// readSpec reads a spec strictly.
func readSpec(raw []byte) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	s.trim()
	for _, check := range []func() error{s.checkAddress, s.checkTiming, s.checkTalk, s.checkResume, s.checkCodes} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// trim takes out what is there with its defaults alone, as in a spec that lists every field.
func (s *spec) trim() {
	if u := s.URLFrom; u != nil && u.URL == "" && u.Extract.Empty() {
		s.URLFrom = nil
	}
	if r := s.Resume; r != nil && len(r.Capture)+len(r.Send)+len(r.URL) == 0 {
		s.Resume = nil
	}
	if r := s.Reply; r != nil && r.When.Empty() && len(r.Send) == 0 {
		s.Reply = nil
	}
}

// checkAddress says what is wrong with where to connect to, and as whom.
func (s *spec) checkAddress() error {
	if err := s.Network.Check(); err != nil {
		return err
	}
	switch {
	case s.URLFrom == nil:
		if err := s.checkURL("url", s.URL); err != nil {
			return err
		}
	case s.URL != "":
		return resources.Wrong("url", "is given with url_from, which gives another; leave one of them out")
	default:
		if err := s.URLFrom.check(s); err != nil {
			return err
		}
	}
	own := ownHeaders
	if name := s.Auth.Header(); name != "" {
		own = append(slices.Clip(own), name)
	}
	if err := s.Headers.Check(own...); err != nil {
		return err
	}
	if err := s.Auth.Check(&s.Network); err != nil {
		return err
	}
	return s.TLS.Check()
}

// checkURL says what is wrong with the url of a websocket.
func (s *spec) checkURL(field, raw string) error {
	if err := resources.CheckURL(field, raw, "ws", "wss"); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(hostOf(raw))
	if n, convert := strconv.Atoi(port); err == nil && convert == nil && len(s.Network.Ports) > 0 && !slices.Contains(s.Network.Ports, n) {
		return resources.Wrong(field, fmt.Sprintf("has port %s, which is not among network.ports %v; add it there", port, s.Network.Ports))
	}
	return nil
}

// judge says why a url that a server has given is none to connect to.
func (s *spec) judge(raw string) error {
	var wrong *resources.SpecError
	if err := s.checkURL("url", raw); errors.As(err, &wrong) {
		return errors.New("the url that the server gave " + wrong.Problem)
	}
	return nil
}

func (u *urlFrom) check(s *spec) error {
	if u.Extract.Empty() {
		return resources.Wrong("url_from.extract", `is missing; say where in the answer the url is, such as "body.url"`)
	}
	if u.Method == "GET" && len(u.Body) > 0 {
		return resources.Wrong("url_from.body", `is given with method "GET", which has none`)
	}
	if err := u.Body.check("url_from.body", s.Secrets); err != nil {
		return err
	}
	return resources.Within("url_from", u.Endpoint.Check(&s.Network))
}

// checkTiming says which times and sizes don't fit together.
func (s *spec) checkTiming() error {
	limit := s.limit()
	switch {
	case s.Ping.Type == pingMessage && len(s.Ping.Message) == 0:
		return resources.Wrong("ping.message", `is missing; a ping of type "message" needs one`)
	case s.Ping.Type != pingMessage && (len(s.Ping.Message) > 0 || s.Ping.Pong != ""):
		return resources.Wrong("ping", fmt.Sprintf("has a message or pong, which type %q does not use", s.Ping.Type))
	case s.Ping.Type == pingNone && s.IdleTimeout == 0:
		return resources.Wrong("ping.type", `is "none" and idle_timeout is 0: `+
			"a dead connection would never be noticed; set one of them")
	case s.Reconnect.Initial > s.Reconnect.Max:
		return resources.Wrong("reconnect.initial", "is above reconnect.max")
	case s.Reconnect.Multiplier < 1 || s.Reconnect.Multiplier > 10:
		return resources.Wrong("reconnect.multiplier", "is out of range; it must be from 1 to 10")
	case int64(s.Buffer.MaxBytes) < limit:
		return resources.Wrong("buffer.max_bytes",
			fmt.Sprintf("has no room for one message of %d bytes; raise it, or lower max_message_size", limit))
	}
	return nil
}

// checkTalk says what is wrong with what is said, to whom it is listened, and when.
func (s *spec) checkTalk() error {
	for i, step := range s.Handshake {
		field := fmt.Sprintf("handshake[%d]", i)
		switch {
		case step.Expect.Empty() == (len(step.Send) == 0):
			return resources.Wrong(field, "must have either expect or send")
		case step.Expect.Empty() && !step.Fatal.Empty():
			return resources.Wrong(field+".fatal", "is for steps with expect")
		}
		if err := step.Send.check(field+".send", s.Secrets); err != nil {
			return err
		}
	}
	for i, text := range s.Subscribe {
		if err := text.check(fmt.Sprintf("subscribe[%d]", i), s.Secrets); err != nil {
			return err
		}
	}
	for i, c := range s.Control {
		if c.When.Empty() || c.Do == "" {
			return resources.Wrong(fmt.Sprintf("control[%d]", i), "needs both when and do")
		}
	}
	if r := s.Reply; r != nil {
		if r.When.Empty() || len(r.Send) == 0 {
			return resources.Wrong("reply", "needs both when and send")
		}
		if err := r.Send.check("reply.send", s.Secrets); err != nil {
			return err
		}
	}
	return s.Ping.Message.check("ping.message", s.Secrets)
}

func (s *spec) checkResume() error {
	r := s.Resume
	if r == nil {
		return nil
	}
	if len(r.Capture) == 0 {
		return resources.Wrong("resume.capture", `is missing: there would be nothing to resume with; give it one, such as {"seq": "msg.seq"}`)
	}
	for name, x := range r.Capture {
		if x.Empty() {
			return resources.Wrong("resume.capture."+name, "is empty")
		}
	}
	if err := r.Send.check("resume.send", s.Secrets); err != nil {
		return err
	}
	return r.URL.check("resume.url", s.Secrets)
}

func (s *spec) checkCodes() error {
	if s.CloseOnHandover > 1001 && s.CloseOnHandover < 3000 {
		return resources.Wrong("close_on_handover", "must be 1000, 1001 or from 3000 to 4999")
	}
	for _, code := range slices.Concat(s.CloseCodes.Fatal, s.CloseCodes.NoResume, s.CloseCodes.Slow) {
		if code < 1000 || code > 4999 {
			return resources.Wrong("close_codes", fmt.Sprintf("has %d; they go from 1000 to 4999", code))
		}
	}
	for _, name := range s.Subprotocols {
		if (resources.Headers{name: resources.Secret{}}).Check() != nil {
			return resources.Wrong("subprotocols", fmt.Sprintf("has %q; use letters, digits, dots and dashes", name))
		}
	}
	return nil
}

// limit is the most bytes of one message that are handed on.
func (s *spec) limit() int64 {
	if s.Compression {
		return int64(s.MaxDecompressedSize)
	}
	return int64(s.MaxMessageSize)
}

// home is the url by which a resource is known: its own, or the one that it asks for its own.
func (h *hold) home() string {
	if h.spec.URLFrom != nil {
		return h.spec.URLFrom.URL
	}
	return h.url
}

// group names those that a connect_limit is shared with.
func (h *hold) group() string {
	if h.spec.ConnectLimit.Group != "" {
		return h.spec.ConnectLimit.Group
	}
	return hostOf(h.home())
}

// hostOf returns host and port of a url that was checked.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw // it was checked: this can't be
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443", "http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
