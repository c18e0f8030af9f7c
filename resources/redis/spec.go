package redis

import (
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/sink"
)

// What is followed.
const (
	modePubsub  = "pubsub"  // channels by name
	modePattern = "pattern" // channels by patterns
	modeSharded = "sharded" // channels of a cluster that stay within a shard (Redis 7)
	modeStream  = "stream"  // the entries of one stream, each of them
)

// What to do with a message when the buffer is full.
const (
	fullDropOldest = "drop_oldest" // make room
	fullDropNewest = "drop_newest" // leave it out
	fullBlock      = "block"       // read no more until there is room; for a connection that is not shared
)

// startNew is the stream.start of a resource that is to get what is added from now on.
const startNew = "$"

// spec is what a redis resource says. Fields left out have the values of defaults.
type spec struct {
	cluster.Shared
	redisconn.Target

	Mode     string     `json:"mode" oneof:"pubsub pattern sharded stream"`
	Channels []string   `json:"channels"` // of mode pubsub and sharded
	Patterns []string   `json:"patterns"` // of mode pattern
	Stream   streamSpec `json:"stream"`   // of mode stream

	Filter    resources.Expression[terms, bool] `json:"filter"`
	Transform resources.Expression[terms, any]  `json:"transform"`
	EmitGaps  bool                              `json:"emit_gaps"`
	Sink      sink.Spec                         `json:"sink"`

	ShareConnection bool                   `json:"share_connection"`
	Ping            pingSpec               `json:"ping"`
	Reconnect       reconnectSpec          `json:"reconnect"`
	ConnectLimit    resources.ConnectLimit `json:"connect_limit"`
	MaxPayload      resources.Size         `json:"max_payload" min:"1B" max:"512MiB"` // of a message, or of all fields of an entry
	Buffer          bufferSpec             `json:"buffer"`
}

type streamSpec struct {
	Key   string           `json:"key"`
	Start string           `json:"start"`                     // where to begin, once: $ (what is added from now on), 0 or an id
	Count int              `json:"count" min:"1" max:"10000"` // entries in one reading
	Block cluster.Duration `json:"block" min:"100ms" max:"5m"`
}

type pingSpec struct {
	Interval cluster.Duration `json:"interval" min:"100ms" max:"24h"`
	Timeout  cluster.Duration `json:"timeout" min:"100ms" max:"24h"`
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
	OnFull      string         `json:"on_full" oneof:"drop_oldest drop_newest block"`
}

func defaults() spec {
	second := func(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }
	return spec{
		Target:          redisconn.DefaultTarget(),
		Mode:            modePubsub,
		Stream:          streamSpec{Start: startNew, Count: 100, Block: second(5)},
		EmitGaps:        true,
		ShareConnection: true,
		Ping:            pingSpec{Interval: second(10), Timeout: second(10)},
		Reconnect: reconnectSpec{
			Initial: cluster.Duration(100 * time.Millisecond), Max: second(30), StableAfter: second(30), OnAuthFailure: second(300),
		},
		ConnectLimit: resources.DefaultConnectLimit(),
		MaxPayload:   1 << 20,
		Buffer:       bufferSpec{MaxMessages: 1024, MaxBytes: 4 << 20, OnFull: fullDropOldest},
	}
}

// readSpec reads a spec strictly.
func readSpec(raw []byte) (*spec, error) {
	s := defaults()
	if err := resources.Decode(raw, &s); err != nil {
		return nil, err
	}
	if err := s.Target.Check(); err != nil {
		return nil, err
	}
	if err := s.checkMode(); err != nil {
		return nil, err
	}
	return &s, s.check()
}

// checkMode says which fields don't fit the mode.
func (s *spec) checkMode() error {
	stream := s.Stream != streamSpec{Start: startNew, Count: s.Stream.Count, Block: s.Stream.Block}
	for _, field := range []struct {
		name          string
		given, wanted bool
	}{
		{"channels", len(s.Channels) > 0, s.Mode == modePubsub || s.Mode == modeSharded},
		{"patterns", len(s.Patterns) > 0, s.Mode == modePattern},
		{"stream", stream, s.Mode == modeStream},
	} {
		switch {
		case field.wanted && !field.given:
			return resources.Wrong(field.name, fmt.Sprintf("is missing; mode %q needs it", s.Mode))
		case field.given && !field.wanted:
			return resources.Wrong(field.name, fmt.Sprintf("is given, but mode %q does not use it; leave it out", s.Mode))
		}
	}
	if s.Mode == modeStream {
		return s.Stream.check()
	}
	seen := map[string]bool{}
	for _, name := range s.names() {
		if name == "" || seen[name] {
			return resources.Wrong("channels", fmt.Sprintf("or patterns have %q, which is empty or there twice", name))
		}
		seen[name] = true
	}
	return nil
}

func (s *streamSpec) check() error {
	if s.Key == "" {
		return resources.Wrong("stream.key", "is missing; it is the key of the stream")
	}
	if _, err := parseEntryID(s.Start); s.Start != startNew && err != nil {
		return resources.Wrong("stream.start", fmt.Sprintf(`is %q; give it "$" (what is added from now on), "0" (all) or the id of an entry`, s.Start))
	}
	return nil
}

// check says which other fields don't fit together.
func (s *spec) check() error {
	switch {
	case s.Reconnect.Initial > s.Reconnect.Max:
		return resources.Wrong("reconnect.initial", "is above reconnect.max")
	case s.Buffer.MaxBytes < s.MaxPayload:
		return resources.Wrong("buffer.max_bytes", fmt.Sprintf("has no room for one message of %d bytes; raise it, or lower max_payload", s.MaxPayload))
	case s.Buffer.OnFull == fullBlock && s.ShareConnection && s.Mode != modeStream:
		return resources.Wrong("buffer.on_full", `is "block", which would hold up all others on the connection; set share_connection to false`)
	}
	return nil
}

// names are the channels or patterns that are subscribed to.
func (s *spec) names() []string {
	if s.Mode == modePattern {
		return s.Patterns
	}
	return s.Channels
}

// group names those that a connect_limit is shared with.
func (s *spec) group() string {
	if s.ConnectLimit.Group != "" {
		return s.ConnectLimit.Group
	}
	return s.Target.String()
}

// limits bound one reply: a message, or what is read of a stream at once.
func (s *spec) limits() redisconn.Limits {
	const names = 8 << 10 // of channels, keys and ids, beside what is counted
	return redisconn.Limits{String: int64(s.MaxPayload), Reply: int64(s.Buffer.MaxBytes) + names}
}
