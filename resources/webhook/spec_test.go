package webhook

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drm-cluster/drm/cluster"
)

const topics = `"topics": ["orders"]`

const address = `"url": "https://x.example/in", ` + topics

// Each mistake is refused with an error that says what to write instead.
func TestSpec(t *testing.T) {
	const url = address
	refuses(t, map[string]string{
		``:                               "is empty",
		`{}`:                             "url is missing",
		`{"url": "https://x.example"}`:   "topics is missing",
		`{"url": "/in", ` + topics + `}`: `has the scheme ""`,
		`{"url": "ftp://x.example", ` + topics + `}`:                                    `has the scheme "ftp"; it must be "https" or "http"`,
		`{"url": "https://u:hush@x.example", ` + topics + `}`:                           "put them in headers",
		`{"url": "http://x.example", ` + topics + `}`:                                   "set network.allow_http to true",
		`{"url": "https://x.example:0", ` + topics + `}`:                                "from 1 to 65535",
		`{"url": "https://x.example:65536", ` + topics + `}`:                            "from 1 to 65535",
		`{"url": "https://x.example:8443", ` + topics + `}`:                             "url has port 8443, which is not among network.ports [443]; add it there",
		`{` + url + `, "topcis": []}`:                                                   `did you mean "topics"?`,
		`{"url": "https://x.example", "topics": [""]}`:                                  "topics[0] is not the name of a topic",
		`{` + url + `, "timeout": "15"}`:                                                `line 1, column 66: timeout is wrong: read duration "15"`,
		`{` + url + `, "timeout": "-1s"}`:                                               "timeout is out of range; it must be from 100ms to 10m",
		`{` + url + `, "timeout": "1e9h"}`:                                              "timeout is wrong",
		`{` + url + `, "timeout": 15}`:                                                  `give it a duration as a string`,
		`{` + url + `, "filter": 1}`:                                                    `filter is the number 1; give it a string`,
		`{` + url + `, "filter": "data.amount >"}`:                                      `filter is wrong: unexpected token EOF (line 1, column 13 of the expression)`,
		`{` + url + `, "filter": "typ == 'a'"}`:                                         `filter is wrong: unknown name typ (line 1, column 1 of the expression)`,
		`{` + url + `, "filter": "id"}`:                                                 `expected bool, but got string`,
		`{` + url + `, "transform": "{"}`:                                               `transform is wrong`,
		`{` + url + `, "payload": "xml"}`:                                               `payload is "xml"; it must be "standard", "raw", "cloudevents" or "cloudevents-binary"`,
		`{` + url + `, "delivery": "exactly_once"}`:                                     `must be "once", "effectively_once" or "at_least_once"`,
		`{` + url + `, "in_doubt": "probe"}`:                                            `probe.url has no {id}`,
		`{` + url + `, "probe": {"url": "https://x.example/{id}"}}`:                     `in_doubt is not "probe"`,
		`{` + url + `, "in_doubt": "probe", "probe": {"url": "http://x.example/{id}"}}`: `probe.url is not https`,
		`{` + url + `, "ordering": "key"}`:                                              `ordering_key is missing`,
		`{` + url + `, "ordering_key": "id"}`:                                           `ordering is not "key"`,
	})
}

// The same of what is about the request itself, and the pauses between its attempts.
func TestSpecOfRequest(t *testing.T) {
	const url = address
	refuses(t, map[string]string{
		`{` + url + `, "concurrency": 0}`:                                                                "concurrency is out of range; it must be from 1 to 100",
		`{` + url + `, "retry": {"schedule": [` + strings.Repeat(`"1s",`, 999) + `"1s"]}}`:               "retry.schedule has 1000 pauses; it may have 100",
		`{` + url + `, "retry": {"schedule": ["1s", "-1s"]}}`:                                            "retry.schedule[1] is out of range",
		`{` + url + `, "retry": {"jitter": 2}}`:                                                          "retry.jitter is out of range; it must be from 0 to 1",
		`{` + url + `, "retry": {"jitter": "x"}}`:                                                        "retry.jitter is a string; give it a number",
		`{` + url + `, "retry": {"on_status": ["6xx"]}}`:                                                 `read status "6xx"`,
		`{` + url + `, "retry": {"on_status": [429]}}`:                                                   `retry.on_status[0] is the number 429; give it a string`,
		`{` + url + `, "headers": {"Host": "x"}}`:                                                        "headers has Host, which a spec cannot set",
		`{` + url + `, "headers": {"content-length": "x"}}`:                                              "cannot set",
		`{` + url + `, "headers": {"webhook-id": "x"}}`:                                                  "cannot set",
		`{` + url + `, "headers": {"CE-Id": "x"}}`:                                                       "cannot set",
		`{` + url + `, "headers": {"Drm-Attempt": "x"}}`:                                                 "cannot set",
		`{` + url + `, "headers": {"a\r\nb": "x"}}`:                                                      "letters, digits and dashes",
		`{` + url + `, "headers": {"Authorization": "x"}, "auth": {"type": "bearer", "token": "hush"}}`:  "headers has Authorization, which a spec cannot set",
		`{` + url + `, "headers": {"x-sign": "x"}, "signing": {"scheme": "custom", "header": "X-Sign"}}`: "headers has x-sign, which a spec cannot set",
		`{` + url + `, "signing": {"keys": [{"secret": "whsec_aHVzaA=="}]}}`:                             "signing.keys[0].secret has 4 bytes; Standard Webhooks asks for 24 to 64",
		`{` + url + `, "auth": {"type": "digest"}}`:                                                      `auth.type is "digest"; known types are none, basic`,
		`{` + url + `, "network": {"ports": [0]}}`:                                                       "network.ports has 0",
		`{` + url + `, "network": {"allow_cidrs": ["10.0.0.0"]}}`:                                        "network.allow_cidrs[0] is wrong",
		`{` + url + `, "network": {"proxy": "socks5://x"}}`:                                              `network.proxy has the scheme "socks5"`,
		`{` + url + `, "network": {"proxy": "http://x", "deny_cidrs": ["10.0.0.0/8"]}}`:                  "leave one of them out",
		`{` + url + `, "tls": {"key_file": "x"}}`:                                                        "tls needs both",
		`{` + url + `, "max_payload": "0B"}`:                                                             "max_payload is out of range",
		`{` + url + `, "start": "yesterday"}`:                                                            `start is "yesterday"; it must be "now" or "oldest"`,
		`{` + url + `, "validate": "yes"}`:                                                               `it must be "none" or "options"`,
	})
}

func refuses(t *testing.T, wrong map[string]string) {
	t.Helper()
	for spec, want := range wrong {
		_, err := readSpec([]byte(spec))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s\n  error %v\n  want  %s", spec, err, want)
		}
	}
}

// What is unusual and right is taken.
func TestSpecTakes(t *testing.T) {
	const url = address
	for _, spec := range []string{
		`{` + url + `}`,
		`{"url": "https://bücher.example/in", ` + topics + `}`,
		`{"url": "http://x.example", ` + topics + `, "network": {"allow_http": true}}`,
		`{` + url + `, "retry": {"schedule": []}, "headers": {"Idempotency-Key": "x"}, "weight": 2}`,
		`{` + url + `, "ordering": "strict", "start": "oldest", "delivery": "once", "in_doubt": "drop"}`,
		`{` + url + `, "delivery": "at_least_once", "in_doubt": "retry", "event_types": ["order.*"]}`,
	} {
		if _, err := readSpec([]byte(spec)); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// What is left out has the value that the documentation tells.
func TestSpecDefaults(t *testing.T) {
	s, err := readSpec([]byte(`{"url": "https://x.example/in", ` + topics + `}`))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Delivery == modeEffectively, s.InDoubt == doubtHold, s.Ordering == orderNone, s.Start == startNow,
		s.Retry.Schedule[8] == cluster.Duration(24*3600e9), s.Weight)
	if got != "true true true true true 0" {
		t.Error(got)
	}
	if s.Retry.retries(404) || !s.Retry.retries(429) || !s.Retry.retries(599) {
		t.Error("by default 404 is retried, or 429 or 599 is not")
	}
	for value, known := range map[string]bool{modeOnce: true, modeAtLeast: true, doubtRetry: false} {
		_, err := readSpec([]byte(`{"url": "https://x.example/in", ` + topics + `, "delivery": "` + value + `"}`))
		if (err == nil) != known {
			t.Errorf("delivery %s: %v", value, err)
		}
	}
	for _, field := range []string{`"in_doubt": "` + doubtDrop + `"`, `"ordering": "` + orderStrict + `"`, `"start": "` + startOldest + `"`} {
		if _, err := readSpec([]byte(`{"url": "https://x.example/in", ` + topics + `, ` + field + `}`)); err != nil {
			t.Error(err)
		}
	}
}
