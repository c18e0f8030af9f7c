package api

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// probe asks without a socket, which can't be used in a synctest bubble.
func (n *node) probe(path string) (status int, body string) {
	answer := httptest.NewRecorder()
	n.handler().ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost"+path, nil))
	return answer.Code, answer.Body.String()
}

func TestHealthyAndReady(t *testing.T) {
	for _, path := range []string{"/healthz", "/livez", "/-/healthy", "/readyz", "/-/ready"} {
		if answer, body := newNode().ask(t, "GET", path); answer.StatusCode != 200 || body != "ok\n" {
			t.Errorf("%s: %s %q", path, answer.Status, body)
		}
		if answer, body := newNode().ask(t, "HEAD", path); answer.StatusCode != 200 || body != "" {
			t.Errorf("HEAD %s: %s %q", path, answer.Status, body)
		}
	}
	if _, body := newNode().ask(t, "GET", "/readyz?verbose"); body != "[+] loop\n[+] term\n[+] trust\n[+] plan\n[+] stays\nok\n" {
		t.Errorf("verbose: %q", body)
	}
}

// Without a term, without trust, without a plan a node is not ready, and all the same alive: liveness doesn't
// depend on etcd. Seen to fail with the check of term added to live, and with each check of ready left out.
func TestNotReadyButAlive(t *testing.T) {
	for name, change := range map[string]func(*cluster.Stats){
		"term":  func(s *cluster.Stats) { s.Term, s.Trust, s.Planned = 0, 0, false },
		"trust": func(s *cluster.Stats) { s.Trust = 0 },
		"plan":  func(s *cluster.Stats) { s.Planned = false },
		"stays": func(s *cluster.Stats) { s.Leaving = true },
	} {
		n := newNode()
		change(&n.stats)
		if status, body := n.probe("/readyz"); status != 503 || !strings.Contains(body, "[-] "+name+": ") {
			t.Errorf("%s: ready %d %q", name, status, body)
		}
		if _, body := n.probe("/readyz?verbose"); !strings.Contains(body, "[+] loop\n") {
			t.Errorf("%s: verbose leaves out what holds: %q", name, body)
		}
		if status, body := n.probe("/livez"); status != 200 {
			t.Errorf("%s: alive %d %q", name, status, body)
		}
	}
}

// A loop that says nothing for half a minute is stuck: the process is neither alive nor ready. Trust runs out
// meanwhile, whatever the last word was. Seen to fail with stuckAfter at an hour, and with trust taken as of Stats.At.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		n.stats.Trust = 5 * time.Second
		time.Sleep(6 * time.Second)
		if status, body := n.probe("/readyz"); status != 503 || !strings.HasPrefix(body, "[-] trust: ") {
			t.Errorf("ready after 6 s: %d %q", status, body)
		}
		time.Sleep(24 * time.Second)
		if status, _ := n.probe("/livez"); status != 200 {
			t.Errorf("alive after 30 s: %d", status)
		}
		time.Sleep(time.Second)
		if status, body := n.probe("/livez"); status != 503 || !strings.Contains(body, "has not moved for 32s") {
			t.Errorf("alive after 31 s: %d %q", status, body)
		}
		if status, body := n.probe("/readyz"); status != 503 || !strings.Contains(body, "[-] loop: ") {
			t.Errorf("ready after 31 s: %d %q", status, body)
		}
	})
}

// A process that was stopped for an hour is alive when it goes on: its loop speaks within moments.
// Seen to fail without the second look.
func TestStoppedAndContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		time.Sleep(time.Hour)
		loop := time.AfterFunc(300*time.Millisecond, func() {
			n.set(func(n *node) { n.stats.At = time.Now() })
		})
		defer loop.Stop()
		if status, body := n.probe("/livez"); status != 200 {
			t.Errorf("%d %q", status, body)
		}
	})
}

// Before its loop has said anything a process is alive and not ready.
func TestStarting(t *testing.T) {
	n := newNode()
	n.stats = cluster.Stats{}
	if status, _ := n.probe("/livez"); status != 200 {
		t.Errorf("alive: %d", status)
	}
	if status, _ := n.probe("/readyz"); status != 503 {
		t.Errorf("ready: %d", status)
	}
}
