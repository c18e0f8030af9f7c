package websocket

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/sink"
)

// How to ask the other side whether it is still there.
const (
	pingControl = "control" // a ping frame, which every websocket answers by itself
	pingMessage = "message" // a text message, for services that count nothing else
	pingNone    = "none"    // don't; then idle_timeout must tell
)

// What to do with a message when the buffer is full.
const (
	fullBlock      = "block"       // read no more until there is room; control frames wait too
	fullDropOldest = "drop_oldest" // make room
	fullDropNewest = "drop_newest" // leave it out
	fullDisconnect = "disconnect"  // hang up and connect again later
)

// spec is what a websocket resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared

	URL          string            `json:"url"`
	Headers      resources.Headers `json:"headers"`
	Subprotocols []string          `json:"subprotocols"`
	TLS          resources.TLS     `json:"tls"`
	Subscribe    []string          `json:"subscribe"` // text messages, sent in order after connecting
	Sink         sink.Spec         `json:"sink"`
	Binary       string            `json:"binary" oneof:"base64"` // how binary messages are put into an event

	HandshakeTimeout cluster.Duration `json:"handshake_timeout" min:"100ms" max:"5m"` // from the name look-up to the answer
	WriteTimeout     cluster.Duration `json:"write_timeout" min:"100ms" max:"5m"`
	IdleTimeout      cluster.Duration `json:"idle_timeout" min:"0s" max:"168h"` // without a message; 0: any time
	MaxLifetime      cluster.Duration `json:"max_lifetime" min:"0s" max:"8760h"`

	MaxMessageSize      resources.Size `json:"max_message_size" min:"1B" max:"1GiB"` // as it is sent
	MaxDecompressedSize resources.Size `json:"max_decompressed_size" min:"1B" max:"1GiB"`
	Compression         bool           `json:"compression"`
	ValidateUTF8        bool           `json:"validate_utf8"`

	Ping         pingSpec               `json:"ping"`
	Reconnect    reconnectSpec          `json:"reconnect"`
	ConnectLimit resources.ConnectLimit `json:"connect_limit"`
	Buffer       bufferSpec             `json:"buffer"`

	CloseCodes      closeCodes `json:"close_codes"`
	CloseOnHandover int        `json:"close_on_handover" min:"1000" max:"4999"`
}

type pingSpec struct {
	Type     string           `json:"type" oneof:"control message none"`
	Interval cluster.Duration `json:"interval" min:"100ms" max:"24h"`
	Timeout  cluster.Duration `json:"timeout" min:"100ms" max:"24h"`
	Message  string           `json:"message"` // of type message
	Pong     string           `json:"pong"`    // the text that answers it; it doesn't go to the sink
}

type reconnectSpec struct {
	Initial       cluster.Duration `json:"initial" min:"100ms" max:"1h"`
	Max           cluster.Duration `json:"max" min:"100ms" max:"24h"`
	StableAfter   cluster.Duration `json:"stable_after" min:"1s" max:"24h"`
	OnAuthFailure cluster.Duration `json:"on_auth_failure" min:"1s" max:"24h"`
}

type bufferSpec struct {
	MaxMessages int            `json:"max_messages" min:"1" max:"1000000"`
	MaxBytes    resources.Size `json:"max_bytes" min:"1B" max:"1GiB"`
	OnFull      string         `json:"on_full" oneof:"block drop_oldest drop_newest disconnect"`
}

// closeCodes say how to take some close codes of the other side; see spec.pace for the rest.
type closeCodes struct {
	Fatal []int `json:"fatal"` // don't connect again until the spec changes
	Slow  []int `json:"slow"`  // wait 5 to 30 s
}

func defaults() spec {
	second := func(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }
	return spec{
		Binary:              "base64",
		HandshakeTimeout:    second(10),
		WriteTimeout:        second(10),
		MaxMessageSize:      1 << 20,
		MaxDecompressedSize: 1 << 20,
		ValidateUTF8:        true,
		Ping:                pingSpec{Type: pingControl, Interval: second(20), Timeout: second(20)},
		Reconnect: reconnectSpec{
			Initial: second(1), Max: second(60), StableAfter: second(60), OnAuthFailure: second(300),
		},
		ConnectLimit:    resources.DefaultConnectLimit(),
		Buffer:          bufferSpec{MaxMessages: 1024, MaxBytes: 4 << 20, OnFull: fullBlock},
		CloseCodes:      closeCodes{Slow: []int{1008, 1012, 1013}},
		CloseOnHandover: 1001,
	}
}

// readSpec reads a spec strictly.
func readSpec(raw []byte) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if err := resources.CheckURL("url", s.URL, "ws", "wss"); err != nil {
		return nil, err
	}
	err := s.Headers.Check("Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version",
		"Sec-Websocket-Extensions", "Sec-Websocket-Protocol", resources.FenceHeader)
	if err != nil {
		return nil, err
	}
	if err := s.TLS.Check(); err != nil {
		return nil, err
	}
	return &s, s.check()
}

// check says which fields don't fit together.
func (s *spec) check() error {
	limit := s.limit()
	switch {
	case s.Ping.Type == pingMessage && s.Ping.Message == "":
		return resources.Wrong("ping.message", `is missing; a ping of type "message" needs one`)
	case s.Ping.Type != pingMessage && s.Ping.Message+s.Ping.Pong != "":
		return resources.Wrong("ping", fmt.Sprintf("has a message or pong, which type %q does not use", s.Ping.Type))
	case s.Ping.Type == pingNone && s.IdleTimeout == 0:
		return resources.Wrong("ping.type", `is "none" and idle_timeout is 0: `+
			"a dead connection would never be noticed; set one of them")
	case s.Reconnect.Initial > s.Reconnect.Max:
		return resources.Wrong("reconnect.initial", "is above reconnect.max")
	case int64(s.Buffer.MaxBytes) < limit:
		return resources.Wrong("buffer.max_bytes",
			fmt.Sprintf("has no room for one message of %d bytes; raise it, or lower max_message_size", limit))
	case s.CloseOnHandover > 1001 && s.CloseOnHandover < 3000:
		return resources.Wrong("close_on_handover", "must be 1000, 1001 or from 3000 to 4999")
	}
	for _, code := range slices.Concat(s.CloseCodes.Fatal, s.CloseCodes.Slow) {
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

// group names those that a connect_limit is shared with.
func (s *spec) group() string {
	if s.ConnectLimit.Group != "" {
		return s.ConnectLimit.Group
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.URL // it was checked: this can't be
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// header reads the secrets and adds the epoch.
func (s *spec) header(epoch int64) (http.Header, error) {
	header, err := s.Headers.Read()
	if err != nil {
		return nil, err
	}
	header.Set(resources.FenceHeader, strconv.FormatInt(epoch, 10))
	return header, nil
}
