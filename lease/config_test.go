package lease

import (
	"strings"
	"testing"
	"time"
)

func TestFromEnvReadsWhatEtcdctlReads(t *testing.T) {
	env := map[string]string{
		"ETCDCTL_ENDPOINTS": "a:1,https://b:2", "ETCDCTL_CACERT": "ca", "ETCDCTL_CERT": "cert", "ETCDCTL_KEY": "key",
		"ETCDCTL_USER": "name:pa:ss", "ETCDCTL_DIAL_TIMEOUT": "3s", "ETCDCTL_COMMAND_TIMEOUT": "7s",
		"ETCDCTL_KEEPALIVE_TIME": "11s", "ETCDCTL_KEEPALIVE_TIMEOUT": "4s",
		"ETCDCTL_INSECURE_TRANSPORT": "false", "ETCDCTL_INSECURE_SKIP_TLS_VERIFY": "true",
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	c, err := FromEnv(lookup)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(c.Endpoints, " ") != "https://a:1 https://b:2" || c.CACert != "ca" || c.Cert != "cert" || c.Key != "key" ||
		c.User != "name" || c.Password != "pa:ss" || c.DialTimeout != 3*time.Second || c.RequestTimeout != 7*time.Second ||
		c.PingEvery != 11*time.Second || c.PingTimeout != 4*time.Second || !c.InsecureSkipVerify {
		t.Errorf("got %+v", c)
	}
	env["ETCDCTL_PASSWORD"], env["ETCDCTL_USER"] = "other", "name"
	if c, _ = FromEnv(lookup); c.User != "name" || c.Password != "other" {
		t.Errorf("user %q, password %q", c.User, c.Password)
	}
	env["ETCDCTL_DIAL_TIMEOUT"], env["ETCDCTL_INSECURE_TRANSPORT"] = "3", "maybe"
	_, err = FromEnv(lookup)
	says(t, err, `ETCDCTL_DIAL_TIMEOUT "3"`, `ETCDCTL_INSECURE_TRANSPORT "maybe"`)
	_, err = FromEnv(func(name string) (string, bool) { return "example.com", name == "ETCDCTL_DISCOVERY_SRV" })
	says(t, err, "ETCDCTL_ENDPOINTS")
	if c, err = FromEnv(func(string) (string, bool) { return "", false }); err != nil || len(c.Endpoints) != 0 {
		t.Errorf("no variables: %+v, %v", c, err)
	}
}

func TestValidateSaysWhatToMend(t *testing.T) {
	one := []string{"http://a:1"}
	for word, c := range map[string]Config{
		"no endpoints":                     {},
		"give all endpoints the same":      {Endpoints: []string{"http://a:1", "https://a:2"}},
		"must end in /":                    {Endpoints: one, Prefix: "/drm"},
		"needs both its certificate":       {Endpoints: []string{"a:1"}, Cert: "x"},
		"both a user and a password":       {Endpoints: one, User: "x"},
		"write https://":                   {Endpoints: one, CACert: "x"},
		"must be positive":                 {Endpoints: one, DialTimeout: -1},
		"read CA certificates: open /none": {Endpoints: []string{"a:1"}, CACert: "/none"},
		"host and port are needed":         {Endpoints: []string{"http://a"}},
		"write http://host:port":           {Endpoints: []string{"unix://a:1"}},
		"don't belong there":               {Endpoints: []string{"http://u:secret@a:1"}},
		"nothing may follow":               {Endpoints: []string{"http://a:1/x"}},
		"no PEM certificate":               {Endpoints: []string{"a:1"}, CACert: "config_test.go"},
	} {
		err := c.Validate()
		says(t, err, word)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: tells a password", err)
		}
	}
	for _, c := range []Config{
		{Endpoints: []string{"a:1", "http://b:2", "[::1]:3"}},
		{Endpoints: []string{"https://a:1"}, InsecureSkipVerify: true, Prefix: "/x/y/"},
		{Endpoints: one, User: "u", Password: "p"},
		{Endpoints: []string{"https://a:1/"}},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("Open takes a configuration without endpoints")
	}
}

// Nodes that are given the same endpoints don't all begin with the same one. Seen to fail with each beginning with the first.
func TestStoresSpreadOverMembers(t *testing.T) {
	began := map[int32]int{}
	for range 60 {
		s := open(t, []string{"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"})
		began[s.best.Load()]++
	}
	if len(began) != 3 {
		t.Errorf("60 stores began with %v", began)
	}
}
