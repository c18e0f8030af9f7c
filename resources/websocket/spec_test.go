package websocket

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/sink"
)

// Every mistake has an error that says what to write instead.
func TestCheck(t *testing.T) {
	const url = `"url": "wss://x.example/ws"`
	runner := New(Options{Sinks: sink.NewSet(sink.Options{})})
	for spec, want := range map[string]string{
		``:                                       "is empty",
		`[]`:                                     "is a list; give it an object",
		`{`:                                      "is not JSON",
		`{}`:                                     "url is missing",
		`{"url": "x.example"}`:                   `it must be "ws" or "wss"`,
		`{"url": "https://x.example"}`:           `has the scheme "https"`,
		`{"url": "ws://"}`:                       "url has no host",
		`{"url": "ws://u:secret@x.example"}`:     "put them in headers",
		`{"url": "ws://x.example:99999"}`:        "from 1 to 65535",
		`{"url": "ws://x.example/#a"}`:           "fragment",
		`{"url": "ws://x.example/%zz?k=secret"}`: "malformed",
		`{"url": 7}`:                             "line 1, column 9: url is the number 7; give it a string",
		`{` + url + `, "handshake_timout": "1s"}`:                           `did you mean "handshake_timeout"?`,
		`{` + url + `, "write_timeout": "-1s"}`:                             "write_timeout is out of range; it must be from 100ms to 5m",
		`{` + url + `, "write_timeout": "999999h"}`:                         "out of range",
		`{` + url + `, "write_timeout": 10}`:                                `give it a duration as a string, such as "10s"`,
		`{` + url + `, "max_message_size": "1M"}`:                           "write a whole number with B, KiB, MiB or GiB",
		`{` + url + `, "ping": {"type": "pong"}}`:                           `ping.type is "pong"; it must be "control", "message" or "none"`,
		`{` + url + `, "ping": {"type": "none"}}`:                           "never be noticed",
		`{` + url + `, "ping": {"type": "message"}}`:                        "ping.message is missing",
		`{` + url + `, "ping": {"pong": "x"}}`:                              "does not use",
		`{` + url + `, "headers": {"Drm-Fence": "1"}}`:                      "cannot set",
		`{` + url + `, "headers": {"a b": "1"}}`:                            "letters, digits and dashes",
		`{` + url + `, "headers": {"A": {"from_env": "ETCDCTL_PASSWORD"}}}`: "headers.A.from_env names a variable of drm itself",
		`{` + url + `, "subprotocols": ["a b"]}`:                            "subprotocols has",
		`{` + url + `, "close_codes": {"fatal": [99]}}`:                     "from 1000 to 4999",
		`{` + url + `, "close_on_handover": 1006}`:                          "must be 1000, 1001 or from 3000 to 4999",
		`{` + url + `, "reconnect": {"initial": "5m"}}`:                     "above reconnect.max",
		`{` + url + `, "max_message_size": "8MiB"}`:                         "raise it, or lower max_message_size",
		`{` + url + `, "tls": {"cert_file": "/x"}}`:                         "both cert_file and key_file",
		`{` + url + `, "sink": {"type": "kafka"}}`:                          `sink.type is "kafka"; known types are event, file, http, nats, redis, stdout`,
		`{` + url + `, "sink": {"type": "http"}}`:                           "sink.url is missing",
		`{` + url + `, "binary": "hex"}`:                                    `must be "base64"`,
	} {
		err := runner.Check([]byte(spec))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  error %v\n  want  %s", spec, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the secret: %v", spec, err)
		}
	}
	for _, spec := range []string{
		`{` + url + `}`,
		`{"$schema": "x", ` + url + `, "paused": true, "weight": 3, "requires": {"zone": "a"}}`,
		`{` + url + `, "ping": {"type": "none"}, "idle_timeout": "30s"}`,
	} {
		if err := runner.Check([]byte(spec)); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// Resources whose specs differ in nothing but the url have them in memory once, and those that differ do not. Seen to fail with every
// spec kept, and with the first one given to all.
func TestSpecsAreShared(t *testing.T) {
	runner := New(Options{Sinks: sink.NewSet(sink.Options{})})
	read := func(fields string) *spec {
		t.Helper()
		s, err := readSpec([]byte(`{"url": "ws://x.example/` + fields))
		if err != nil {
			t.Fatal(err)
		}
		return runner.share(s)
	}
	a, b := read(`1"}`), read(`2", "subscribe": ["x"]}`)
	for range 10 {
		if read(`3"}`) != a || read(`4", "subscribe": ["x"]}`) != b || a == b {
			t.Fatal("specs that are alike are not shared, or others are")
		}
	}
	for _, other := range []string{"1s", "2s", "3s", "4s", "5s"} {
		read(`5", "write_timeout": "` + other + `"}`)
	}
	if read(`6"}`) == a {
		t.Error("specs are kept for ever")
	}
}
