package redisconn_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/test/certtest"
	"github.com/drm-cluster/drm/test/redistest"
)

const answer = 5 * time.Second

var local = redisconn.NewDialer(&resources.Guard{AllowLoopback: true})

func target(t *testing.T, text string) *redisconn.Target {
	t.Helper()
	target := redisconn.DefaultTarget()
	if err := resources.Decode([]byte(text), &target); err != nil {
		t.Fatal(err)
	}
	if err := target.Check(); err != nil {
		t.Fatal(err)
	}
	return &target
}

// Users, passwords and databases count, and what the server thinks of them is told with what to do.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "me", "on", ">hush", "~*", "&*", "+@all")
	s.Do("ACL", "SETUSER", "you", "on", ">hush", "~*", "&*", "+@all", "-select")
	s.Do("ACL", "SETUSER", "default", "off")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"url": "redis://me@ADDR/3", "password": {"from_file": "FILE"}}`:               "",
		`{"url": "redis://me@ADDR/3", "password": {"from_env": "REDISCONN_TEST_NONE"}}`: "variable REDISCONN_TEST_NONE is not set",
		`{"url": "redis://me@ADDR", "password": "hushh"}`:                               "log in: the server answered WRONGPASS; see the user in url, and password",
		`{"url": "redis://ADDR", "password": "hush"}`:                                   "log in: the server answered ERR",
		`{"url": "redis://ADDR/3"}`:                                                     "NOAUTH Authentication required.; give it a password",
		`{"url": "redis://me@ADDR/99", "password": "hush"}`:                             "select database 99: the server answered ERR DB index is out of range",
		`{"url": "redis://you@ADDR/3", "password": "hush"}`:                             "ACL SETUSER",
	} {
		conn, err := local.Dial(t.Context(), target(t, strings.NewReplacer("ADDR", s.Addr, "FILE", file).Replace(text)), answer)
		if want == "" && err == nil {
			if list, err := redis.String(conn.Do("CLIENT", "INFO")); !strings.Contains(list, "db=3") || !strings.Contains(list, "user=me") {
				t.Errorf("%s: connected as %s (%v)", text, list, err)
			}
			_ = conn.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
		if login := strings.Contains(want, "log in") || strings.Contains(want, "NOAUTH"); redisconn.IsLogin(err) != login {
			t.Errorf("%s: it is about the login: %v, want %v", text, !login, login)
		}
	}
}

// A server that doesn't know AUTH repeats the password in its complaint. Seen to fail with its whole answer told.
func TestPasswordIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "AUTH", "")
	_, err := local.Dial(t.Context(), target(t, `{"url": "redis://`+s.Addr+`", "password": "hush"}`), answer)
	if err == nil || strings.Contains(err.Error(), "hush") || !redisconn.IsLogin(err) {
		t.Errorf("error %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := certtest.New(t, dir)
	ca.Leaf("redis")
	ca.Leaf("client")
	s := redistest.StartTLS(t, ca.Cert("ca"), ca.Cert("redis"), ca.Key("redis"))
	files := func(names ...string) string {
		all := map[string]string{}
		for i, field := range []string{"ca_file", "cert_file", "key_file"}[:len(names)] {
			all[field] = names[i]
		}
		b, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for text, want := range map[string]string{
		`{"url": "rediss://ADDR", "tls": ` + files(ca.Cert("ca"), ca.Cert("client"), ca.Key("client")) + `}`: "",
		`{"url": "rediss://ADDR", "tls": ` + files(ca.Cert("ca")) + `}`:                                      ":", // whether the reason comes before the end is a matter of chance
		`{"url": "rediss://ADDR"}`: "see tls.ca_file",
		`{"url": "redis://ADDR"}`:  ":",
	} {
		conn, err := local.Dial(t.Context(), target(t, strings.ReplaceAll(text, "ADDR", s.TLSAddr)), answer)
		if err == nil {
			_, err = conn.Do("PING") // with TLS 1.3 the server judges a client's certificate only after the handshake
			err = resources.ExplainTLS(err)
			_ = conn.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
	}
	_, err := local.Dial(t.Context(), target(t, `{"url": "rediss://`+s.Addr+`", "dial_timeout": "200ms"}`), answer)
	if err == nil || !strings.Contains(err.Error(), "does the server speak TLS") {
		t.Errorf("without TLS at the other end: %v", err)
	}
}

// The guard judges what is dialled, and the spec narrows it. Seen to fail with a dialer of the standard library.
func TestGuard(t *testing.T) {
	t.Parallel()
	for text, d := range map[string]*redisconn.Dialer{
		`{"url": "redis://127.0.0.1:1"}`:                                                         redisconn.NewDialer(nil),
		`{"url": "redis://127.0.0.1:2", "network": {"deny_cidrs": ["127.0.0.0/8"]}}`:             local,
		`{"url": "redis:///", "sentinel": {"master": "m", "addrs": ["127.0.0.1:1"]}}`:            redisconn.NewDialer(nil),
		`{"url": "redis://localhost:2", "network": {"allow_cidrs": ["10.0.0.0/8"]}}`:             local,
		`{"url": "redis://[::ffff:127.0.0.1]:2", "network": {"allow_cidrs": ["198.18.0.0/15"]}}`: local,
	} {
		if _, err := d.Dial(t.Context(), target(t, text), answer); !resources.IsBlocked(err) {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

// A server that accepts and says nothing costs dial_timeout, or as long as the context lives.
func TestSilence(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	text := `{"url": "redis://` + listener.Addr().String() + `/1", "dial_timeout": "100ms"}`
	if _, err := local.Dial(t.Context(), target(t, text), answer); err == nil || !strings.Contains(err.Error(), "within 100ms (dial_timeout)") {
		t.Errorf("error %v", err)
	}
	cause := errors.New("moved")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := local.Dial(ctx, target(t, text), answer); !errors.Is(err, cause) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// Where MOVED sends to, in all the forms that servers write.
func TestMoved(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MOVED 3999 127.0.0.1:6381": "127.0.0.1:6381",
		"MOVED 3999 :6381":          "old:6381",
		"MOVED 3999 ::1:6381":       "[::1]:6381",
		"MOVED 3999 node.example:1": "node.example:1",
		"MOVED 3999 ":               "",
		"MOVED":                     "",
		"MOVED 3999 a:0":            "",
		"MOVED 3999 a:65536":        "",
		"ERR MOVED 1 a:1":           "",
	} {
		if got, ok := redisconn.Moved(redis.Error(text), "old:1"); got != want || ok != (want != "") {
			t.Errorf("%q sends to %q, want %q", text, got, want)
		}
	}
}
