package websocket

import (
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/post"
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

// What a message of the other side may have done.
const (
	doReconnect   = "reconnect"
	doResubscribe = "resubscribe"
	doNewSession  = "new_session" // connect again, and resume nothing
	doFatal       = "fatal"       // not again until the spec changes
)

// spec is what a websocket resource says. Fields left out have the values of defaults. What few use is behind pointers, for there may be
// ten thousands of specs in memory.
type spec struct {
	cluster.Shared

	URL          string                      `json:"url"`
	URLFrom      *urlFrom                    `json:"url_from"`
	Headers      resources.Headers           `json:"headers"`
	Subprotocols []string                    `json:"subprotocols"`
	Auth         post.Auth                   `json:"auth"`
	TLS          resources.TLS               `json:"tls"`
	Network      resources.Network           `json:"network"`
	Secrets      map[string]resources.Secret `json:"secrets"` // for ${secret:name} in what is sent

	Handshake []step         `json:"handshake"`
	Subscribe []template     `json:"subscribe"` // sent in order after the handshake
	Resume    *resumeSpec    `json:"resume"`
	Reply     *replySpec     `json:"reply"`
	Control   []controlSpec  `json:"control"`
	SendRate  resources.Rate `json:"send_rate"` // of messages, all of them together
	EmitGaps  bool           `json:"emit_gaps"`

	Filter    condition `json:"filter"`
	Transform value     `json:"transform"`
	ID        value     `json:"id"` // of the event that a message becomes
	Sink      sink.Spec `json:"sink"`
	Binary    string    `json:"binary" oneof:"base64"` // how binary messages are put into an event

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

type (
	condition = resources.Expression[terms, bool]
	value     = resources.Expression[terms, any]
)

// urlFrom says how to ask for the url of each connection.
type urlFrom struct {
	post.Endpoint

	Method  string                                 `json:"method" oneof:"GET POST"`
	Body    template                               `json:"body"` // of a POST
	Extract resources.Expression[answerTerms, any] `json:"extract"`
	Timeout cluster.Duration                       `json:"timeout" min:"100ms" max:"5m"`
}

// step is one step of the handshake: something to wait for, or to send.
type step struct {
	Expect  condition        `json:"expect"`
	Timeout cluster.Duration `json:"timeout" min:"100ms" max:"10m"`
	Fatal   condition        `json:"fatal"` // instead of what was expected: not again until the spec changes
	Send    template         `json:"send"`
}

// resumeSpec says how to go on where a connection ended, here or on another node.
type resumeSpec struct {
	Capture      map[string]value `json:"capture"`
	Send         template         `json:"send"` // instead of subscribe
	URL          template         `json:"url"`
	MaxAge       cluster.Duration `json:"max_age" min:"1s" max:"8760h"`
	PersistEvery cluster.Duration `json:"persist_every" min:"100ms" max:"1h"`
}

// replySpec says what to answer to which messages.
type replySpec struct {
	When condition `json:"when"`
	Send template  `json:"send"`
}

// controlSpec says what to do because of which messages.
type controlSpec struct {
	When condition `json:"when"`
	Do   string    `json:"do" oneof:"reconnect resubscribe new_session fatal"`
}

type pingSpec struct {
	Type     string           `json:"type" oneof:"control message none"`
	Interval cluster.Duration `json:"interval" min:"100ms" max:"24h"`
	Timeout  cluster.Duration `json:"timeout" min:"100ms" max:"24h"`
	Message  template         `json:"message"` // of type message
	Pong     string           `json:"pong"`    // the text that answers it; it doesn't go to the sink
}

type reconnectSpec struct {
	Initial       cluster.Duration `json:"initial" min:"100ms" max:"1h"`
	Max           cluster.Duration `json:"max" min:"100ms" max:"24h"`
	Multiplier    float64          `json:"multiplier"`
	Jitter        string           `json:"jitter" oneof:"full equal none"`
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
	Fatal    []int `json:"fatal"`     // don't connect again until the spec changes
	NoResume []int `json:"no_resume"` // what was captured is void
	Slow     []int `json:"slow"`      // wait 5 to 30 s
}

func defaults() spec {
	second := func(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }
	return spec{
		Binary:              "base64",
		EmitGaps:            true,
		HandshakeTimeout:    second(10),
		WriteTimeout:        second(10),
		MaxMessageSize:      1 << 20,
		MaxDecompressedSize: 1 << 20,
		ValidateUTF8:        true,
		Ping:                pingSpec{Type: pingControl, Interval: second(20), Timeout: second(20)},
		Reconnect: reconnectSpec{
			Initial: second(1), Max: second(60), Multiplier: 2, Jitter: resources.JitterFull, StableAfter: second(60), OnAuthFailure: second(300),
		},
		ConnectLimit:    resources.DefaultConnectLimit(),
		Buffer:          bufferSpec{MaxMessages: 1024, MaxBytes: 4 << 20, OnFull: fullBlock},
		CloseCodes:      closeCodes{Slow: []int{1008, 1012, 1013}},
		CloseOnHandover: 1001,
	}
}

// UnmarshalJSON reads the field with its defaults.
func (u *urlFrom) UnmarshalJSON(b []byte) error {
	type fields urlFrom
	u.Method, u.Timeout = "POST", cluster.Duration(10*time.Second)
	return resources.Decode(b, (*fields)(u))
}

// UnmarshalJSON reads the field with its defaults.
func (s *step) UnmarshalJSON(b []byte) error {
	type fields step
	s.Timeout = cluster.Duration(10 * time.Second)
	return resources.Decode(b, (*fields)(s))
}

// UnmarshalJSON reads the field with its defaults.
func (r *resumeSpec) UnmarshalJSON(b []byte) error {
	type fields resumeSpec
	r.MaxAge, r.PersistEvery = cluster.Duration(time.Minute), cluster.Duration(time.Second)
	return resources.Decode(b, (*fields)(r))
}
