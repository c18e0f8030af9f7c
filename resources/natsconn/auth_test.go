package natsconn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/drm-cluster/drm/test/certtest"
	"github.com/drm-cluster/drm/test/natstest"
)

// key makes a key pair and returns it with its public part and seed.
func key(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

// operated makes a server whose users come with a JWT, and returns what configures it and the .creds file of a user.
func operated(t *testing.T) (configure func(*server.Options), creds []byte) {
	t.Helper()
	operator, operatorKey, _ := key(t, nkeys.CreateOperator)
	account, accountKey, _ := key(t, nkeys.CreateAccount)
	_, userKey, seed := key(t, nkeys.CreateUser)
	accountJWT, err := jwt.NewAccountClaims(accountKey).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	userJWT, err := jwt.NewUserClaims(userKey).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	if creds, err = jwt.FormatUserConfig(userJWT, seed); err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(accountKey, accountJWT); err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.JetStream, o.TrustedKeys, o.AccountResolver = false, []string{operatorKey}, resolver
	}, creds
}

// Every way to say who we are is taken by a server that asks for it, and without it there is no connection. Seen to fail
// with a case of apply left out.
func TestAuth(t *testing.T) {
	t.Parallel()
	_, user, seed := key(t, nkeys.CreateUser)
	jwts, creds := operated(t)
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		auth      string
		configure func(*server.Options)
	}{
		"password": {
			`{"type": "password", "username": "drm", "password": "secret"}`,
			func(o *server.Options) { o.Users = []*server.User{{Username: "drm", Password: "secret"}} },
		},
		"token": {`{"type": "token", "token": "secret"}`, func(o *server.Options) { o.Authorization = "secret" }},
		"nkey": {
			`{"type": "nkey", "seed": "` + string(seed) + `"}`,
			func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: user}} },
		},
		"creds": {`{"type": "creds", "creds": {"from_file": "` + file + `"}}`, jwts},
	} {
		t.Run(name, func(t *testing.T) {
			srv := natstest.Start(t, c.configure)
			all := conns()
			with := all.Open(target(t, srv.URL, `, "auth": `+c.auth))
			defer with.Close()
			get(t, with)
			without := all.Open(target(t, srv.URL, ""))
			defer without.Close()
			if err := refusal(t, without, 100*time.Millisecond); !strings.Contains(err.Error(), "see auth") {
				t.Fatalf("without: %v", err)
			}
		})
	}
}

// A secret that is malformed is not shown. Seen to fail with the seed in the error.
func TestMalformedSecrets(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{`{"type": "nkey", "seed": "SUBROKEN"}`, `{"type": "creds", "creds": "SUBROKEN"}`} {
		c := conns().Open(target(t, "nats://127.0.0.1:1", `, "auth": `+auth))
		err := refusal(t, c, 50*time.Millisecond)
		c.Close()
		if !strings.Contains(err.Error(), "authenticate: read auth.") || strings.Contains(err.Error(), "SUBROKEN") {
			t.Errorf("%s: %v", auth, err)
		}
	}
}

// TLS with a certificate of our own is spoken where the URL asks for it, and one that nobody knows is refused. Seen to fail with
// Secure and TLSConfig left out of connect.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t, t.TempDir())
	authority.Leaf("nats")
	authority.Leaf("drm")
	srv := natstest.Start(t, func(o *server.Options) { o.TLSConfig, o.TLSVerify = authority.Server("nats"), true })
	all := conns()
	ours := `"ca_file": "` + authority.Cert("ca") + `", "cert_file": "` + authority.Cert("drm") + `", "key_file": "` + authority.Key("drm") + `"`
	known := all.Open(target(t, srv.URL, `, "tls": {`+ours+`}`))
	defer known.Close()
	if _, err := get(t, known).TLSConnectionState(); err != nil {
		t.Fatal(err)
	}
	stranger := all.Open(target(t, srv.URL, ""))
	defer stranger.Close()
	if err := refusal(t, stranger, 200*time.Millisecond); !strings.Contains(err.Error(), "see tls.ca_file") {
		t.Fatalf("an authority that nobody knows: %v", err)
	}
	plain := natstest.Start(t)
	wanted := all.Open(target(t, "tls://"+strings.TrimPrefix(plain.URL, "nats://"), ""))
	defer wanted.Close()
	if err := refusal(t, wanted, 200*time.Millisecond); !strings.Contains(err.Error(), "no TLS: see url") {
		t.Fatalf("a server without TLS: %v", err)
	}
}

// Each mistake in a target is told with its field.
func TestSpecs(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		`{}`:                                                                                  "url is missing",
		`{"url": "http://a:1"}`:                                                               "url has the scheme",
		`{"url": "nats://u:p@a:4222"}`:                                                        "put them into auth",
		`{"url": "nats://a:4222/x"}`:                                                          "after host and port",
		`{"url": "nats://a:4222,tls://b:4222"}`:                                               "url mixes",
		`{"url": "nats://a:4222,"}`:                                                           "url is missing",
		`{"url": "nats://a", "tls": {"server_name": "b"}}`:                                    "tls is given",
		`{"url": "tls://a", "tls": {"cert_file": "b"}}`:                                       "tls needs both",
		`{"url": "nats://a", "auth": {"type": "basic"}}`:                                      "auth.type is",
		`{"url": "nats://a", "auth": {}}`:                                                     "auth.type is missing",
		`{"url": "nats://a", "auth": {"type": "token"}}`:                                      "auth.token is missing",
		`{"url": "nats://a", "auth": {"type": "nkey", "creds": "x"}}`:                         "auth.seed is missing",
		`{"url": "nats://a", "auth": {"type": "token", "token": "x", "seed": "y"}}`:           "auth.seed is given",
		`{"url": "nats://a", "auth": {"type": "token", "token": "x", "username": "y"}}`:       "auth.username belongs",
		`{"url": "nats://a", "auth": {"type": "password", "password": "x"}}`:                  "auth.username belongs",
		`{"url": "nats://a", "auth": {"type": "password", "username": "x", "passwort": "x"}}`: "did you mean",
	} {
		if _, err := read(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", spec, err, want)
		}
	}
}
