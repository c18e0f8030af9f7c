package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The receiver is asked about one event, with the credentials of the webhook, and its answer read as the spec says.
func TestProbe(t *testing.T) {
	for code, want := range map[int]knowledge{200: seen, 204: seen, 404: unseen, 500: unknown, 302: unknown} {
		rec := receive(t, status(code))
		s := senderTo(t, rec.URL+"/in", `, "in_doubt": "probe", "probe": {"url": "`+rec.URL+`/events/{id}?key=hush"}, "auth": {"type": "bearer", "token": "t"}`)
		got, err := s.probe(t.Context(), order(), 41)
		if got != want || (err == nil) == (want == unknown) || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%d means %d, %v", code, got, err)
		}
		r, body := rec.last(t)
		if r.Method != http.MethodGet || r.URL.Path != "/events/evt_1" || r.Header.Get("Authorization") != "Bearer t" || body != "" || r.Header.Get("Drm-Fence") != "41" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	}
}

// A receiver is asked for leave, and says how often it wants to be called.
func TestValidate(t *testing.T) {
	for _, test := range []struct {
		code         int
		origin, rate string
		every        time.Duration
		says         string
	}{
		{200, "*", "", 0, ""},
		{204, "DRM.example", "120", 500 * time.Millisecond, ""},
		{200, "*", "*", 0, ""},
		{200, "*", "-1", 0, ""},
		{200, "other.example", "120", 0, "does not allow it to drm.example"},
		{200, "", "", 0, "does not allow it"},
		{405, "*", "", 0, `needs validate to be "none"`},
	} {
		rec := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WebHook-Allowed-Origin", test.origin)
			w.Header().Set("WebHook-Allowed-Rate", test.rate)
			w.WriteHeader(test.code)
		})
		s := senderTo(t, rec.URL+"/in", `, "validate": "`+validateOptions+`"`)
		every, err := s.validate(t.Context(), 41)
		if every != test.every || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %s, %v", test, every, err)
		}
		if r, _ := rec.last(t); r.Method != http.MethodOptions || r.Header.Get("WebHook-Request-Origin") != "drm.example" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
	}
	rec := receive(t, status(200))
	s := senderTo(t, rec.URL, "")
	rec.Close()
	if _, err := s.validate(t.Context(), 41); err == nil {
		t.Error("nobody gave leave")
	}
}
