package pull

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/resources"
)

// Validators go back as they came, weak or unquoted or out of step with any clock; those that are too long are forgotten. A 304 is unchanged
// whatever follows it. Seen to fail without maxValidator, and with the ETag sent back without its W/.
func TestValidators(t *testing.T) {
	for name, test := range map[string]struct {
		sent, back Validators
	}{
		"strong":                {Validators{ETag: `"v1"`}, Validators{ETag: `"v1"`}},
		"weak":                  {Validators{ETag: `W/"v1"`}, Validators{ETag: `W/"v1"`}},
		"without quotes":        {Validators{ETag: `v1`}, Validators{ETag: `v1`}},
		"8 KB":                  {Validators{ETag: `"` + strings.Repeat("x", 8<<10) + `"`}, Validators{}},
		"none":                  {},
		"a clock in the future": {Validators{LastModified: "Fri, 31 Dec 2100 23:59:59 GMT"}, Validators{LastModified: "Fri, 31 Dec 2100 23:59:59 GMT"}},
		"no date at all":        {Validators{LastModified: "yesterday"}, Validators{LastModified: "yesterday"}},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != "" {
				rough(t, w, "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody")
				return
			}
			for header, value := range map[string]string{"ETag": test.sent.ETag, "Last-Modified": test.sent.LastModified} {
				if value != "" {
					w.Header().Set(header, value)
				}
			}
			fmt.Fprint(w, "new")
		})
		p, results := open(t, s.URL, "")
		first, err := p.Get(t.Context(), s.URL, Validators{})
		if err != nil || string(first.Body) != "new" || first.Unchanged || first.Validators != test.back {
			t.Errorf("%s: %+v, %v", name, first, err)
			continue
		}
		second, err := p.Get(t.Context(), s.URL, first.Validators)
		if err != nil || second.Unchanged != (test.back != Validators{}) {
			t.Errorf("%s: %+v, %v", name, second, err)
		}
		if h := s.last(); h.Get("If-None-Match") != test.back.ETag || h.Get("If-Modified-Since") != test.back.LastModified || h.Get("drm-fence") != "41" {
			t.Errorf("%s: the second request had %v", name, h)
		}
		if results["http_poll 2xx"]+results["http_poll 304"] != 2 {
			t.Errorf("%s: counted %v", name, results)
		}
	}
}

// rough answers with just these bytes, and hangs up.
func rough(t *testing.T, w http.ResponseWriter, answer string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, err = conn.Write([]byte(answer))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// Without conditional nothing is sent back. Seen to fail without the look at it.
func TestUnconditional(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	p, _ := open(t, s.URL, `, "conditional": false`)
	if _, err := p.Get(t.Context(), s.URL, Validators{ETag: "a", LastModified: "b"}); err != nil {
		t.Fatal(err)
	}
	if h := s.last(); h.Get("If-None-Match")+h.Get("If-Modified-Since") != "" {
		t.Errorf("%v", h)
	}
}

// A body is read whole or not at all, and never more of it than max_body, whatever it was compressed to. Seen to fail without the limit
// (the bomb is 8 MiB), with the error of reading left out, and with a hundredfold time-out.
func TestBodies(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 8<<20))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	send := func(encoding string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = w.Write(body)
		}
	}
	var small bytes.Buffer
	z.Reset(&small)
	_, err = z.Write([]byte("hello"))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string // "": the body is hello
	}{
		"plain":        {send("", []byte("hello")), ""},
		"compressed":   {send("gzip", small.Bytes()), ""},
		"too large":    {send("", make([]byte, 1025)), "more than 1KiB; see max_body"},
		"a bomb":       {send("gzip", bomb.Bytes()), "more than 1KiB; see max_body"},
		"not gzip":     {send("gzip", []byte("hello")), "decompress"},
		"half a gzip":  {send("gzip", small.Bytes()[:small.Len()-4]), "unexpected EOF"},
		"other coding": {send("br", []byte("hello")), `encoded as "br"`},
		"cut short": {func(w http.ResponseWriter, _ *http.Request) {
			rough(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		}, "unexpected EOF"},
		"cut between chunks": {func(w http.ResponseWriter, _ *http.Request) {
			rough(t, w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}, "unexpected EOF"},
		"byte by byte": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
				tick(r.Context(), 20*time.Millisecond)
			}
		}, "within 150ms (timeout)"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "within 150ms (timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.answer)
			p, results := open(t, s.URL+"/path?token=secret", `, "max_body": "1KiB", "timeout": "150ms"`)
			if !strings.Contains(test.says, "timeout") {
				p.spec.Timeout = read(t, s.URL, "").Timeout // nothing is to be late here
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			a, err := p.Get(t.Context(), s.URL+"/path?token=secret", Validators{})
			runtime.ReadMemStats(&after)
			if took, bytes := time.Since(began), after.TotalAlloc-before.TotalAlloc; took > 10*time.Second || bytes > 4<<20 {
				t.Errorf("it took %s and %d bytes", took, bytes)
			}
			switch {
			case test.says == "" && (err != nil || string(a.Body) != "hello"):
				t.Errorf("%+v, %v", a, err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret")):
				t.Errorf("%v; want %s", err, test.says)
			case test.says != "" && results["http_poll failed"] != 1:
				t.Errorf("counted %v", results)
			}
		})
	}
}

// tick waits, or until ctx ends.
func tick(ctx context.Context, d time.Duration) { _ = resources.Wait(ctx, d) }

// What a server refuses has a state of its own where something else than waiting may help. Seen to fail without the cases of refused.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		status       int
		header       http.Header
		state, count string
		asked        time.Duration
	}{
		{401, nil, resources.StateAuthFailed, "4xx", 0},
		{403, nil, resources.StateAuthFailed, "4xx", 0},
		{403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"30"}}, StateThrottled, "4xx", 30 * time.Second},
		{429, nil, StateThrottled, "429", 0},
		{429, http.Header{"Retry-After": {"7"}}, StateThrottled, "429", 7 * time.Second},
		{503, http.Header{"Retry-After": {"7"}}, StateThrottled, "5xx", 7 * time.Second},
		{502, nil, resources.StateBackingOff, "5xx", 0},
		{504, nil, resources.StateBackingOff, "5xx", 0},
		{404, nil, resources.StateBackingOff, "4xx", 0},
		{302, nil, resources.StateBackingOff, "3xx", 0},
		{206, nil, resources.StateBackingOff, "2xx", 0},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range test.header {
				w.Header()[name] = values
			}
			w.WriteHeader(test.status)
		})
		p, results := open(t, s.URL, `, "success_status": ["200", "304"]`)
		_, err := p.Get(t.Context(), s.URL, Validators{})
		var why *Trouble
		if !errors.As(err, &why) || why.State != test.state || why.Asked != test.asked || results["http_poll "+test.count] != 1 {
			t.Errorf("%d %v: %+v, counted %v", test.status, test.header, why, results)
		}
	}
}

// At most so many requests of a group are under way, those that wait go in the order of asking, and one that gives up holds up nobody. Seen to
// fail without the comparison in advance, and with the turn of one that has given up left in the line.
func TestHostsTakeTurns(t *testing.T) {
	h := &hosts{groups: map[string]*host{}}
	var leaves []func()
	for range 2 {
		leave, err := h.enter(t.Context(), "g", 2)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	over := errors.New("over")
	var waiting, giving sync.WaitGroup
	giving.Go(func() {
		if _, err := h.enter(gone, "g", 2); !errors.Is(err, over) {
			t.Errorf("%v", err)
		}
	})
	wait(h, "g", 1)
	entered := make(chan int, 2)
	for i := range 2 {
		waiting.Go(func() {
			leave, err := h.enter(t.Context(), "g", 2)
			if err != nil {
				t.Error(err)
				return
			}
			entered <- i
			leave()
		})
		wait(h, "g", 2+i)
	}
	select {
	case <-entered:
		t.Fatal("a third is under way")
	default:
	}
	cancel(over)
	giving.Wait()
	leaves[0]()
	if first, second := <-entered, <-entered; first != 0 || second != 1 {
		t.Errorf("%d before %d", first, second)
	}
	waiting.Wait()
	leaves[1]()
	if len(h.groups) != 0 {
		t.Errorf("%d groups are left", len(h.groups))
	}
}

// wait returns when so many wait.
func wait(h *hosts, group string, n int) {
	for {
		h.mu.Lock()
		have := len(h.groups[group].line)
		h.mu.Unlock()
		if have == n {
			return
		}
		runtime.Gosched()
	}
}
