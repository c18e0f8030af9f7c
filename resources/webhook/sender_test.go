package webhook

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A request says what it is about, in headers that receivers know, and its body is the event.
func TestRequest(t *testing.T) {
	rec := receive(t, status(http.StatusNoContent))
	s := senderTo(t, rec.URL+"/in?x=1", `, "headers": {"X-Env": "prod"}`)
	e := order()
	e.Extensions = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
	o := s.attempt(t.Context(), e, 3, 42)
	o.expect(t, delivered, "")
	if o.status != http.StatusNoContent || o.took <= 0 {
		t.Errorf("%+v", o)
	}
	r, body := rec.last(t)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Webhook-Id": "evt_1", "Webhook-Timestamp": `\d{10}`, "Webhook-Signature": "", "Drm-Fence": "42",
		"Drm-Attempt": "3", "User-Agent": "drm/test", "X-Env": "prod", "Idempotency-Key": "", "Accept-Encoding": "",
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00", "Content-Length": "102",
	} {
		if got := r.Header.Get(name); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	if strings.Contains(r.Header.Get("Traceparent"), "b7ad6b7169203331") {
		t.Error("the span is that of the event")
	}
	want := `{"type":"order.paid","timestamp":"2026-01-02T03:04:05.0000006Z","data":{"amount":12,"customer":"ada"}}`
	if body != want || r.Method != http.MethodPost || r.URL.RequestURI() != "/in?x=1" {
		t.Errorf("%s %s %s", r.Method, r.URL, body)
	}
}

// Only 2xx is a delivery. What else the receiver says is told to the lane.
func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		fields string
		want   outcome
	}{
		{"200", status(200), "", outcome{verdict: delivered, status: 200}},
		{"299", status(299), "", outcome{verdict: delivered, status: 299}},
		{"304", status(304), "", outcome{verdict: refused, status: 304}},
		{"404", status(404), "", outcome{verdict: refused, status: 404}},
		{"410", status(410), "", outcome{verdict: refused, status: 410, word: wordDisable}},
		{"410, which the spec does not take so", status(410), `, "disable": {"on_410": false}`, outcome{verdict: refused, status: 410}},
		{"429 without a header", status(429), "", outcome{verdict: refused, status: 429}},
		{"503 and an hour", later(503, "3600"), "", outcome{verdict: refused, status: 503, retryAfter: time.Hour}},
		{"503 and too long", later(503, "9999999999"), "", outcome{verdict: refused, status: 503, retryAfter: 24 * time.Hour}},
		{"503 and too long for the spec", later(503, "9999999999"), `, "retry": {"retry_after_max": "1m"}`, outcome{verdict: refused, status: 503, retryAfter: time.Minute}},
		{"200 and an hour", later(200, "3600"), "", outcome{verdict: delivered, status: 200}},
		{"the word disable", says(202, " Disable"), "", outcome{verdict: delivered, status: 202, word: wordDisable}},
		{"the word abort-message", says(500, "abort-message"), "", outcome{verdict: refused, status: 500, word: wordAbort}},
		{"another word", says(500, "hello"), "", outcome{verdict: refused, status: 500}},
	} {
		o := senderTo(t, receive(t, test.answer).URL, test.fields).try(t.Context())
		if (o.err == nil) != (o.verdict == delivered) {
			t.Errorf("%s: %v", test.name, o.err)
		}
		o.err, o.took = nil, 0
		if o != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, o, test.want)
		}
	}
}

func later(code int, after string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(code)
	}
}

func says(code int, word string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("webhook-delivery", word)
		w.WriteHeader(code)
	}
}

// What a receiver may have a say in is kept short. Seen to fail with the error of an attempt as it is.
func TestReasonsAreShort(t *testing.T) {
	rec := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://elsewhere.example/"+strings.Repeat("é", 4000))
		w.WriteHeader(http.StatusFound)
	})
	o := senderTo(t, rec.URL, "").try(t.Context())
	o.expect(t, refused, "302")
	if n := len(o.err.Error()); n > reasonMost+len("…") || !strings.HasPrefix(o.err.Error(), "call "+rec.URL) {
		t.Errorf("the reason has %d bytes: %.100s", n, o.err)
	}
}
