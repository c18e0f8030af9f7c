package redisconn

import (
	"strings"
	"testing"

	"github.com/drm-cluster/drm/resources"
)

// read reads a target as a spec does.
func read(text string) (*Target, error) {
	t := DefaultTarget()
	if err := resources.Decode([]byte(text), &t); err != nil {
		return nil, err
	}
	return &t, t.Check()
}

// What is wrong with a target is told by field, and no error repeats a password.
func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                                                       `url is missing`,
		`{"url": "http://x"}`:                                                      `url has the scheme "http"; it must be "redis" or "rediss"`,
		`{"url": "redis://x:0"}`:                                                   `url has port "0"`,
		`{"url": "redis://x:99999"}`:                                               `url has port "99999"`,
		`{"url": "redis://u:hush@x"}`:                                              `url holds a password`,
		`{"url": "redis://u:hush@x:port"}`:                                         `url is malformed`,
		`{"url": "redis://x/first"}`:                                               `url has the database "/first"`,
		`{"url": "redis://x/-1"}`:                                                  `url has the database "/-1"`,
		`{"url": "redis://x?db=1"}`:                                                `url has more than`,
		`{"url": "redis:x"}`:                                                       `url has more than`,
		`{"url": "redis://"}`:                                                      `url has no host`,
		`{"url": "redis://u@x"}`:                                                   `password is missing`,
		`{"url": "redis://x", "pasword":1}`:                                        `did you mean "password"?`,
		`{"url": "redis://x", "tls": {"cert_file": "a"}}`:                          `tls needs both`,
		`{"url": "redis://x", "network": {"proxy": "http://p"}}`:                   `network.proxy is not a known field`,
		`{"url": "redis://x", "dial_timeout": "1ms"}`:                              `dial_timeout is out of range`,
		`{"url": "redis://x", "sentinel": {"addrs": ["a"]}}`:                       `sentinel.master is missing`,
		`{"url": "redis://x", "sentinel": {"master": "m", "addrs": ["a"]}}`:        `url has a host`,
		`{"url": "redis:///1", "sentinel": {"master": "m"}}`:                       `sentinel.addrs has 0 addresses`,
		`{"url": "redis:///1", "sentinel": {"master": "m", "addrs": ["a:b"]}}`:     `sentinel.addrs[0] is not host`,
		`{"url": "redis:///1", "sentinel": {"master": "m", "addrs": ["a", "b:"]}}`: `sentinel.addrs[1] has port ""`,
		`{"url": "redis:///1", "sentinel": {"master": "m", "addrs": ["a"], "password": {"x": 1}}}`: `sentinel.password.x is not a known field`,
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s\n  error %v\n  want  %s", text, err, want)
		}
	}
}

// The parts of a URL, and what stands in for those left out.
func TestURL(t *testing.T) {
	for text, want := range map[string]struct {
		address, user string
		db            int
		secure        bool
	}{
		`{"url": "redis://a"}`: {"a:6379", "", 0, false},
		`{"url": "rediss://me@a.example:7000/3", "password": "hush"}`:                    {"a.example:7000", "me", 3, true},
		`{"url": "redis://[::1]:7000/"}`:                                                 {"[::1]:7000", "", 0, false},
		`{"url": "redis://[::1]"}`:                                                       {"[::1]:6379", "", 0, false},
		`{"url": "rediss:///2", "sentinel": {"master": "m", "addrs": ["a", "[::1]:1"]}}`: {":6379", "", 2, true},
	} {
		got, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.address() != want.address || got.user() != want.user || got.database() != want.db || got.secure() != want.secure {
			t.Errorf("%s became %s %q %d %v", text, got.address(), got.user(), got.database(), got.secure())
		}
	}
}

// Connections are shared by those of the same place: everything that decides where they lead, and as whom, tells places
// apart. Seen to fail for the password and for tls, with each left out of Place.
func TestPlace(t *testing.T) {
	base := `{"url": "redis://me@a:6379/1", "password": "p"}`
	first, err := read(base)
	if err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{
		base: true,
		`{"url": "redis://me@a/1", "password": "p", "dial_timeout": "9s"}`:                         true,
		`{"url": "redis://me@b/1", "password": "p"}`:                                               false,
		`{"url": "redis://you@a/1", "password": "p"}`:                                              false,
		`{"url": "redis://me@a/2", "password": "p"}`:                                               false,
		`{"url": "redis://me@a/1", "password": "q"}`:                                               false,
		`{"url": "redis://me@a/1", "password": {"from_env": "p"}}`:                                 false,
		`{"url": "rediss://me@a/1", "password": "p"}`:                                              false,
		`{"url": "redis://me@a/1", "password": "p", "tls": {"ca_file": "x"}}`:                      false,
		`{"url": "redis://me@a/1", "password": "p", "network": {"deny_cidrs": ["10.0.0.0/8"]}}`:    false,
		`{"url": "redis://me@/1", "password": "p", "sentinel": {"master": "m", "addrs": ["a"]}}`:   false,
		`{"url": "redis://me@a/1", "password": "p", "network": {"allow_cidrs": ["10.0.0.0/8"]}}`:   false,
		`{"url": "redis://me@a:6379/1", "password": "p", "tls": {"insecure_skip_verify": true}}`:   false,
		`{"url": "redis://me@a:6379/1", "password": "p", "tls": {"insecure_skip_verify": false}}`:  true,
		`{"url": "redis://me@a:6379/1", "password": "p", "network": {"deny_cidrs": []}}`:           true,
		`{"url": "redis://me@a:6379/1", "password": "p", "sentinel": {"master": "", "addrs": []}}`: true,
	} {
		other, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if (other.Place() == first.Place()) != same {
			t.Errorf("%s: same place is %v, want %v", text, !same, same)
		}
	}
}
