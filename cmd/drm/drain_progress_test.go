package main

import (
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// What was well before must be well where it is now; what was in trouble before is not waited for. Seen to fail with troubles taken
// for known that were not there before.
func TestDrainWaitsForWhatWasWell(t *testing.T) {
	was, now := cluster.Key{Kind: "websocket", ID: "was"}, cluster.Key{Kind: "websocket", ID: "now"}
	p := progress{
		held: map[cluster.Key]bool{was: true, now: true}, before: map[cluster.Key]cluster.Status{was: {State: "failed"}},
		on: map[string]int{"b": 2}, left: map[cluster.Key]string{}, heard: true, settled: time.Unix(1, 0),
	}
	if got := p.text("a"); got != "a: 0 of 2 still here, 2 on b, looking whether they run" {
		t.Error(got)
	}
	trouble := cluster.Status{Node: "b", State: "backing_off", Error: "refused\x1b[2J\nby the server"}
	if p.judge(map[cluster.Key]cluster.Status{was: trouble, now: trouble}) || p.ill != 1 {
		t.Errorf("a new trouble is passed over: %+v", p)
	}
	p.left = p.sick
	if got := p.text("a"); !strings.HasSuffix(got, "1 in trouble there, such as websocket/now: in trouble on b: backing_off: refused [2J by the server") {
		t.Errorf("%q", got)
	}
	if !p.judge(map[cluster.Key]cluster.Status{was: trouble}) {
		t.Errorf("an old trouble is waited for: %+v", p)
	}
}

func TestOperatorsCommandLines(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"drain", exitUsage, "accepts 1 arg(s), received 0"},
		{"drain a --deadline -1s --endpoints 127.0.0.1:1", exitUsage, "--deadline is -1s"},
		{"cordon a b", exitUsage, "accepts 1 arg(s), received 2"},
		{"explain websocket", exitUsage, "write KIND/ID"},
		{"explain a/b/c", exitUsage, `'/' is not allowed`},
		{"get websocket/", exitUsage, "names no resource"},
		{"rebalance", exitUsage, "--dry-run"},
		{"get -o yaml", exitUsage, "one of table, json"},
		{"nodes --prefix /drm", exitConfig, "must end in /"},
		{"nodes --endpoints 127.0.0.1:1", exitUnreachable, "(now: 127.0.0.1:1)"},
		{"nodes --env-file /nowhere", exitConfig, "read --env-file: open /nowhere"},
	} {
		code, stdout, stderr := call(nil, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.says) || stdout != "" {
			t.Errorf("drm %s: code %d, want %d and %q; it said:\n%s%s", test.args, code, test.code, test.says, stdout, stderr)
		}
	}
}
