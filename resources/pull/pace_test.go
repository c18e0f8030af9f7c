package pull

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

const site = "https://api.example.com/"

func pacer(t *testing.T, id, fields string) *pace {
	t.Helper()
	s := Defaults()
	if err := resources.Decode([]byte(`{"url": "`+site+`"`+fields+`}`), &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return newPace(&s, claim(id), noon)
}

// Ten thousand that have an interval of a minute in common spread over it evenly, and each is polled at the same time within the
// minute by whoever holds it, whenever that began. Seen to fail with a phase that counts from when the run began.
func TestPhaseIsSpreadAndStays(t *testing.T) {
	const n, interval = 10_000, time.Minute
	var at [60]int
	spec := pacer(t, "a", `, "jitter": 0`).spec
	for i := range n {
		id := fmt.Sprintf("poller-%d", i)
		first := newPace(spec, claim(id), noon).first(noon, noon.Add(-time.Second))
		if first.Before(noon) || first.After(noon.Add(interval)) {
			t.Fatalf("%s is first polled at %s", id, first)
		}
		at[int(first.Sub(noon)/time.Second)%60]++
		p := newPace(spec, claim(id), noon.Add(7*interval+31*time.Second))
		moved := p.first(noon.Add(7*interval+31*time.Second), noon)
		if d := moved.Sub(first); d%interval != 0 {
			t.Fatalf("%s was polled at %s, and after it moved at %s", id, first, moved)
		}
		if next := p.next(moved, moved.Add(time.Millisecond), 0); next.Sub(moved) != interval {
			t.Fatalf("%s is polled at %s and then at %s", id, moved, next)
		}
	}
	var chi float64
	for _, seen := range at {
		d := float64(seen) - n/60.0
		chi += d * d / (n / 60.0)
	}
	if chi > 100 { // 59 degrees of freedom: 1 in 1,500; the names are the same in each run
		t.Errorf("χ² is %.0f: %v", chi, at)
	}
}

// A poll takes as long as it takes: the times that pass meanwhile are skipped. Seen to fail with next going by when the poll began.
func TestMissedTimesAreSkipped(t *testing.T) {
	p := pacer(t, "a", `, "jitter": 0`)
	first := p.first(noon, noon)
	if next := p.next(first, first.Add(150*time.Second), 0); next != first.Add(3*time.Minute) {
		t.Errorf("%s after the one that began", next.Sub(first))
	}
}

// What was never polled is soon; so is what a takeover has made overdue, where that can be known; all else waits for its time. Seen to fail
// without the case of last.
func TestFirst(t *testing.T) {
	for name, test := range map[string]struct {
		fields      string
		last        time.Duration // before noon; -1: never
		least, most time.Duration // after noon
	}{
		"new":              {`, "interval": "24h"`, -1, 0, soon},
		"new, aligned":     {`, "interval": "24h", "align": true`, -1, 0, soon},
		"a day, overdue":   {`, "interval": "24h"`, 25 * time.Hour, 0, soon},
		"a day, not yet":   {`, "interval": "24h", "align": true`, 11 * time.Hour, 12 * time.Hour, 15 * time.Hour},
		"a minute":         {``, 25 * time.Hour, 0, 66 * time.Second},
		"an hour, aligned": {`, "interval": "1h", "align": true, "jitter": 0`, time.Minute, time.Hour, time.Hour},
		"neither":          {`, "splay": false`, time.Second, 0, 0},
	} {
		last := noon.Add(-test.last)
		if test.last < 0 {
			last = time.Time{}
		}
		got := pacer(t, "a", test.fields).first(noon, last).Sub(noon)
		if got < test.least || got > test.most {
			t.Errorf("%s: after %s; want %s to %s", name, got, test.least, test.most)
		}
	}
	p := pacer(t, "a", "")
	p.past = &cluster.Condition{Attempts: 3, NextTry: noon.Add(10 * time.Minute)}
	if at := p.first(noon, noon); at != noon.Add(10*time.Minute) {
		t.Errorf("a pause that was taken over ends at %s", at)
	}
	if p.past.NextTry = noon.Add(1000 * time.Hour); p.first(noon, noon).After(noon.Add(2 * time.Minute)) {
		t.Error("a pause without end was taken over")
	}
}

// Failures slow down, up to backoff.max, and the first success ends that at once, without a burst. Seen to fail with failures left as they were by
// next, and with a pause below min_interval.
func TestBackoff(t *testing.T) {
	p := pacer(t, "a", `, "interval": "10s"`)
	now := noon
	for i, longest := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 900, 900, 900} {
		longest *= time.Second
		next := p.failed(now, 0)
		if pause := next.Sub(now); pause < longest*3/4 || pause > longest {
			t.Errorf("failure %d is followed by a pause of %s; want up to %s", i+1, pause, longest)
		}
		now = next
	}
	for range 10 {
		next := p.next(now, now, 0)
		if pause := next.Sub(now); pause <= 0 || pause > 11*time.Second {
			t.Errorf("a success is followed by a pause of %s", pause)
		}
		now = next
	}
	if pause := p.failed(now, 0).Sub(now); pause > 10*time.Second {
		t.Errorf("the first failure after it by %s", pause)
	}
	p = pacer(t, "a", `, "interval": "1h", "min_interval": "30m"`)
	if pause := p.failed(now, 0).Sub(now); pause < 20*time.Minute || pause > 30*time.Minute {
		t.Errorf("an interval above backoff.max by %s", pause)
	}
	if pause := p.failed(now, 2*time.Hour).Sub(now); pause < 2*time.Hour || pause > 150*time.Minute {
		t.Errorf("Retry-After of 2 h by %s", pause)
	}
}

// A server is left alone for as long as it asks, and not a whole interval longer because of a little jitter. Seen to fail without
// `later(at, earliest)`, and with spare at 0.
func TestAskedFor(t *testing.T) {
	p := pacer(t, "a", "")
	for range 100 {
		began := p.tick(noon).Add(p.jitter())
		for _, asked := range []time.Duration{time.Second, time.Minute, 90 * time.Second, time.Hour} {
			at := p.next(began, began.Add(time.Second), asked).Sub(began)
			if at < asked || at > asked+66*time.Second || asked == time.Minute && at > 66*time.Second {
				t.Fatalf("asked for %s, polled after %s", asked, at)
			}
		}
	}
}

// What servers say of when to come again, right or wrong. Seen to fail without each of the four headers.
func TestAsked(t *testing.T) {
	in := func(d time.Duration) string { return noon.Add(d).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		status int
		header http.Header
		want   time.Duration
	}{
		"nothing":                    {429, http.Header{}, 0},
		"seconds":                    {429, http.Header{"Retry-After": {"120"}}, 2 * time.Minute},
		"a date":                     {503, http.Header{"Retry-After": {in(time.Hour)}}, time.Hour},
		"a date in the past":         {429, http.Header{"Retry-After": {in(-time.Hour)}}, 0},
		"negative":                   {429, http.Header{"Retry-After": {"-5"}}, 0},
		"huge":                       {429, http.Header{"Retry-After": {"99999999999999999999"}}, 24 * time.Hour},
		"no number":                  {429, http.Header{"Retry-After": {"soon"}}, 0},
		"poll interval":              {304, http.Header{"X-Poll-Interval": {"300"}}, 5 * time.Minute},
		"poll interval, huge":        {200, http.Header{"X-Poll-Interval": {"1e300"}}, 24 * time.Hour},
		"poll interval, NaN":         {200, http.Header{"X-Poll-Interval": {"NaN"}}, 0},
		"used up, in seconds":        {200, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"90"}}, 90 * time.Second},
		"used up, as Unix time":      {200, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(noon.Unix() + 90)}}, 90 * time.Second},
		"used up, in the past":       {200, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(noon.Unix() - 90)}}, 0},
		"not used up":                {200, http.Header{"X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"90"}}, 0},
		"fresh":                      {200, http.Header{"Cache-Control": {"public, max-age=600"}, "Age": {"100"}}, 500 * time.Second},
		"never to be kept":           {200, http.Header{"Cache-Control": {"max-age=600, no-store"}}, 0},
		"expires, by another clock":  {200, http.Header{"Date": {in(-time.Hour)}, "Expires": {in(-50 * time.Minute)}}, 10 * time.Minute},
		"expires, malformed":         {200, http.Header{"Expires": {"0"}}, 0},
		"max-age goes before expiry": {200, http.Header{"Cache-Control": {"max-age=5"}, "Expires": {in(time.Hour)}}, 5 * time.Second},
	} {
		s := Defaults()
		s.RespectCacheControl = true
		if got := s.asked(test.header, test.status, noon); got != test.want {
			t.Errorf("%s: %s; want %s", name, got, test.want)
		}
		s.RespectCacheControl = false
		if got := s.asked(test.header, test.status, noon); test.header["Retry-After"] == nil && (test.header["Cache-Control"] != nil || test.header["Expires"] != nil) && got != 0 {
			t.Errorf("%s: %s without respect_cache_control", name, got)
		}
	}
}

// What is wrong with the fields is said with what to do. Seen to fail without each case of Check.
func TestCheck(t *testing.T) {
	for fields, says := range map[string]string{
		`"url": "http://a.example/"`:                                                 "allow_http",
		`"url": "` + site + `", "headers": {"if-none-match": "x"}`:                   "If-None-Match",
		`"url": "` + site + `", "body": "x"`:                                         "method",
		`"url": "` + site + `", "interval": "500ms"`:                                 "min_interval, which is 1s",
		`"url": "` + site + `", "jitter": 1.5`:                                       "from 0 to 1",
		`"url": "` + site + `", "backoff": {"multiplier": 0.5}`:                      "from 1 to 100",
		`"url": "` + site + `", "success_status": []`:                                "success_status",
		`"url": "` + site + `", "host_limit": {"concurrency": 0}`:                    "from 1 to 10000",
		`"url": "` + site + `", "signing": {}`:                                       "not a known field",
		`"url": "` + site + `", "network": {"proxy": "http://p:1", "ports": [0, 1]}`: "ports",
	} {
		s := Defaults()
		err := resources.Decode([]byte("{"+fields+"}"), &s)
		if err == nil {
			err = s.Check()
		}
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(says)) {
			t.Errorf("%s: %v; want %s", fields, err, says)
		}
	}
}
