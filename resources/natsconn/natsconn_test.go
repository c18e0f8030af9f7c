package natsconn

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/test/natstest"
)

const soon = 10 * time.Second

// conns returns Conns that may connect to this machine.
func conns() *Conns {
	return New(Options{Guard: &resources.Guard{AllowLoopback: true}, Name: "drm/test"})
}

// read reads a target from a spec.
func read(spec string) (Target, error) {
	var to Target
	if err := resources.Decode([]byte(spec), &to); err != nil {
		return to, err
	}
	return to, to.Check()
}

// target reads a target from the fields of a spec that has nothing wrong.
func target(t *testing.T, url, fields string) Target {
	t.Helper()
	to, err := read(`{"url": "` + url + `"` + fields + `}`)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// get returns the connection, which must come.
func get(t *testing.T, c *Conn) *nats.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	conn, err := c.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// refusal returns why there is no connection after so long.
func refusal(t *testing.T, c *Conn, after time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	_, err := c.Get(ctx)
	if err == nil {
		t.Fatal("it is connected")
	}
	return err
}

// Equal targets share a connection, which goes with the last that uses it. Seen to fail with each Open making a link of its own (two clients), and
// with Close closing the link for all (the second user's connection is closed).
func TestEqualTargetsShareAConnection(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	all := conns()
	first := all.Open(target(t, srv.URL, ""))
	second := all.Open(target(t, srv.URL, `, "auth": {"type": "none"}`))
	other := all.Open(target(t, srv.URL, `, "auth": {"type": "token", "token": "ignored"}`))
	a, b, c := get(t, first), get(t, second), get(t, other)
	if a != b || a == c || srv.Clients() != 2 {
		t.Fatalf("%d connections for three users of two targets; the first two the same: %t", srv.Clients(), a == b)
	}
	first.Close()
	first.Close()
	if b.IsClosed() {
		t.Fatal("the first to leave closed it for the second")
	}
	second.Close()
	other.Close()
	if !b.IsClosed() || !c.IsClosed() || len(all.links) != 0 {
		t.Fatal("the last to leave left it open")
	}
	if _, err := second.Get(t.Context()); err == nil || !strings.Contains(err.Error(), ErrClosed.Error()) {
		t.Fatalf("after Close there is %v", err)
	}
}

// A server that comes back is connected to again, and one that is not there at first. Seen to fail without the loop in run.
func TestConnectsAgain(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	srv.Stop()
	c := conns().Open(target(t, srv.URL, ""))
	defer c.Close()
	if err := refusal(t, c, 100*time.Millisecond); !strings.Contains(err.Error(), "refused") {
		t.Fatalf("a server that is not there: %v", err)
	}
	srv.Start(t)
	before := get(t, c)
	srv.Stop()
	srv.Start(t)
	if after := get(t, c); after == before || !after.IsConnected() {
		t.Fatal("what was lost is given again")
	}
}

// What the guard forbids is not connected to. Seen to fail with a dialer of no guard.
func TestTheGuardJudges(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := New(Options{}).Open(target(t, srv.URL, ""))
	defer c.Close()
	if err := refusal(t, c, 200*time.Millisecond); !resources.IsBlocked(err) {
		t.Fatalf("want it refused by the guard, have %v", err)
	}
}

// Wrong credentials are tried again, but not in a hot loop, and are never shown. Seen to fail with a backoff whose Max is 1ms, and (the
// rotation) with the secret read once.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, func(o *server.Options) { o.Authorization = "right" })
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("very-wrong")
	c := conns().Open(target(t, srv.URL, `, "auth": {"type": "token", "token": {"from_file": "`+file+`"}}`))
	defer c.Close()
	err := refusal(t, c, 500*time.Millisecond)
	if !strings.Contains(err.Error(), "see auth") || strings.Contains(err.Error(), "very-wrong") {
		t.Fatalf("wrong credentials: %v", err)
	}
	if n := srv.Connects(t); n < 1 || n > 30 {
		t.Fatalf("%d attempts in half a second", n)
	}
	write("right")
	get(t, c)
}

// Close doesn't wait for a server that has stopped to speak. Seen to fail (5 s) without the AfterFunc in Dial.
func TestCloseLeavesASilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := conns().Open(target(t, "nats://"+l.Addr().String(), ""))
	silent, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := silent.Write([]byte("INFO {}\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err != nil { // it has said who it is, and waits for the answer
		t.Fatal(err)
	}
	began := time.Now()
	c.Close()
	if took := time.Since(began); took > connectTimeout/2 {
		t.Fatalf("Close took %s", took)
	}
}
