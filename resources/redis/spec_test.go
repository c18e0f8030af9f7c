package redis

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

// What is wrong with a spec is told by field, and what to do.
func TestSpec(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"channels": ["c"]}`:                                                          `url is missing`,
		`{"url": "redis://x"}`:                                                         `channels is missing; mode "pubsub" needs it`,
		`{"url": "redis://x", "chanels": ["c"]}`:                                       `did you mean "channels"?`,
		`{"url": "redis://x", "channels": ["c", "c"]}`:                                 `have "c", which is empty or there twice`,
		`{"url": "redis://x", "channels": [""]}`:                                       `have "", which is empty or there twice`,
		`{"url": "redis://x", "channels": ["c"], "patterns": ["p"]}`:                   `patterns is given, but mode "pubsub" does not use it`,
		`{"url": "redis://x", "channels": ["c"], "stream": {"key": "k"}}`:              `stream is given, but mode "pubsub" does not use it`,
		`{"url": "redis://x", "mode": "pattern", "channels": ["c"]}`:                   `channels is given, but mode "pattern"`,
		`{"url": "redis://x", "mode": "pattern"}`:                                      `patterns is missing`,
		`{"url": "redis://x", "mode": "sharded"}`:                                      `channels is missing`,
		`{"url": "redis://x", "mode": "stream"}`:                                       `stream is missing`,
		`{"url": "redis://x", "mode": "queue"}`:                                        `mode is "queue"; it must be "pubsub", "pattern", "sharded" or "stream"`,
		`{"url": "redis://x", "mode": "stream", "stream": {"start": "0"}}`:             `stream.key is missing`,
		`{"url": "redis://x", "mode": "stream", "stream": {"key": "k", "start": ""}}`:  `stream.start is ""`,
		`{"url": "redis://x", "mode": "stream", "stream": {"key": "k", "start": ">"}}`: `stream.start is ">"; give it "$"`,
		`{"url": "redis://x", "mode": "stream", "stream": {"key": "k", "count": 0}}`:   `stream.count is out of range`,
		`{"url": "redis://x", "channels": ["c"], "buffer": {"on_full": "block"}}`:      `set share_connection to false`,
		`{"url": "redis://x", "channels": ["c"], "max_payload": "5MiB"}`:               `buffer.max_bytes has no room for one message`,
		`{"url": "redis://x", "channels": ["c"], "reconnect": {"initial": "1m"}}`:      `reconnect.initial is above reconnect.max`,
		`{"url": "redis://x", "channels": ["c"], "filter": "dat > 1"}`:                 `filter is wrong: unknown name dat`,
		`{"url": "redis://x", "channels": ["c"], "filter": "1 + 1"}`:                   `filter is wrong: expected bool`,
		`{"url": "redis://x", "channels": ["c"], "sink": {"type": "kafka"}}`:           `sink.type is "kafka"`,
		`{"url": "redis://x", "channels": ["c"], "ping": {"interval": "1ms"}}`:         `ping.interval is out of range`,
	} {
		if err := (&Runner{}).Check([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
	}
	err := (&Runner{}).Run(t.Context(), cluster.Claim{Spec: []byte(`{}`)})
	if !cluster.IsPermanent(err) {
		t.Errorf("a run with a wrong spec ends with %v", err)
	}
}

// Ids of entries are read and compared as numbers.
func TestEntryID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0-0", "5-7": "5-7", "18446744073709551615-18446744073709551615": "18446744073709551615-18446744073709551615",
		"": "", "-": "", "1-": "", "1-x": "", "-1": "", "1-2-3": "", "18446744073709551616": "", "$": "",
	} {
		id, err := parseEntryID(text)
		if (err == nil) != (want != "") || err == nil && id.String() != want {
			t.Errorf("%q is read as %s (%v), want %q", text, id, err, want)
		}
	}
	a, b, c := entryID{9, 10}, entryID{10, 9}, entryID{10, 10}
	if a.compare(b) >= 0 || b.compare(c) >= 0 || c.compare(a) <= 0 || c.compare(c) != 0 {
		t.Error("ids are not in order")
	}
	if !a.time().IsZero() {
		t.Errorf("9-10 was added at %s", a.time())
	}
}
