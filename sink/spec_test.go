package sink

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

func writeCA(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A sink's mistakes are told with their place in the whole spec of the resource.
func TestSpec(t *testing.T) {
	for text, want := range map[string]string{
		`"stdout"`:                          `sink is not an object`,
		`{}`:                                `sink.type is missing; known types are event, file, http, nats, redis, stdout`,
		`{"type": "kafka"}`:                 `sink.type is "kafka"; known types are event, file, http, nats, redis, stdout`,
		`{"type": 1}`:                       `known types are event, file, http, nats, redis, stdout`,
		`{"type": "stdout", "url": "x"}`:    `line 1, column 29: sink.url is not a known field; known are batch, dead_letter, format, on_error, retry, type`,
		`{"type": "http"}`:                  `sink.url is missing`,
		`{"type": "http", "url": "ws://x"}`: `sink.url has the scheme "ws"; it must be "http" or "https"`,
		`{"type": "http", "url": "http://u:hush@x"}`:                                     `put them in headers`,
		`{"type": "http", "url": "http://x", "bacth": 1}`:                                `did you mean "batch"?`,
		`{"type": "http", "url": "http://x", "batch": {"max": 0}}`:                       `sink.batch.max is out of range`,
		`{"type": "http", "url": "http://x", "timeout": "0s"}`:                           `sink.timeout is out of range; it must be from 100ms to 10m`,
		`{"type": "http", "url": "http://x", "retry": {"max": "2d"}}`:                    `sink.retry.max is wrong: read duration "2d"`,
		`{"type": "http", "url": "http://x", "headers": {"webhook-id": "x"}}`:            `sink.headers has webhook-id, which a spec cannot set`,
		`{"type": "http", "url": "http://x", "auth": {"type": "basic"}}`:                 `sink.auth.username is missing`,
		`{"type": "http", "url": "http://x", "tls": {"key_file": "x"}}`:                  `sink.tls needs both`,
		`{"type": "http", "url": "http://x", "tls": {"min_version": "1.1"}}`:             `must be "1.2" or "1.3"`,
		`{"type": "http", "url": "http://x", "format": "raw", "batch": {"max": 2}}`:      `sink.batch.max is above 1`,
		`{"type": "stdout", "format": "xml"}`:                                            `sink.format is "xml"`,
		`{"type": "stdout", "timeout": "1s"}`:                                            `sink.timeout is not a known field`,
		`{"type": "stdout", "on_error": "dead_letter"}`:                                  `sink.dead_letter.topic is missing`,
		`{"type": "stdout", "dead_letter": {"topic": "x"}}`:                              `sink.dead_letter is given, but on_error is not`,
		`{"type": "stdout", "on_error": "dead_letter", "dead_letter": {"topic": "a/b"}}`: `sink.dead_letter.topic`,
		`{"type": "file"}`:                                                     `sink.path is missing`,
		`{"type": "file", "path": "/etc/passwd"}`:                              `sink.path is "/etc/passwd"; it must be relative`,
		`{"type": "file", "path": "a/../../b"}`:                                `must be relative`,
		`{"type": "file", "path": "{node}.log"}`:                               `only {kind} and {id}`,
		`{"type": "file", "path": "a", "rotate": {"every": "1ms"}}`:            `sink.rotate.every is below 1s`,
		`{"type": "event"}`:                                                    `sink.topic is missing`,
		`{"type": "event", "topic": "a b"}`:                                    `sink.topic`,
		`{"type": "event", "topic": "a", "format": "raw"}`:                     `sink.format is "raw"`,
		`{"type": "nats", "url": "nats://x"}`:                                  `sink.subject is missing`,
		`{"type": "nats", "url": "nats://x", "subject": "a.*"}`:                `without wildcards`,
		`{"type": "nats", "url": "http://x", "subject": "a"}`:                  `sink.url has the scheme`,
		`{"type": "redis", "url": "redis://x"}`:                                `sink.stream is missing, and so is channel`,
		`{"type": "redis", "url": "redis://x", "stream": "a", "channel": "b"}`: `sink.channel is given, and so is stream`,
		`{"type": "redis", "url": "http://x", "stream": "a"}`:                  `sink.url has the scheme`,
	} {
		var resource struct {
			Sink Spec `json:"sink"`
		}
		err := resources.Decode([]byte(`{"sink": `+text+`}`), &resource)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
	}
	if got := (Spec{}).Type(); got != "stdout" {
		t.Errorf("the default is %q", got)
	}
	if got := readSpec(t, `{"type": "http", "url": "https://x.example"}`).Type(); got != "http" {
		t.Errorf("type is %q", got)
	}
}
