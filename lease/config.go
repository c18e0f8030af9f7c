package lease

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config says how to reach etcd. Only Endpoints is required; Validate fills in the rest.
type Config struct {
	Endpoints []string // http://host:port, https://host:port or host:port
	Prefix    string   // of every key; ends in /; default /drm/

	CACert     string // file of the authorities to trust; default: the system's
	Cert, Key  string // files of the client certificate
	ServerName string // that the server's certificate must have; default: the endpoint's host
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
	// InsecureTransport speaks plain text to an endpoint without http:// or https://, even when TLS fields are set.
	InsecureTransport bool

	User, Password string

	DialTimeout    time.Duration // for one attempt to connect; default 2 s
	RequestTimeout time.Duration // for each request, all its attempts included; default 5 s
	PingEvery      time.Duration // how often an idle connection is tested; default and least 10 s
	PingTimeout    time.Duration // how long such a test may take; default 6 s

	FreshEvery     time.Duration // how often Follow proves that it is up to date; default 700 ms
	ReconcileEvery time.Duration // how often Follow lists again in the background; default 10 min
	PageSize       int           // keys in a page of a listing, from an etcd that can't stream it; default 50,000

	// Observe is told every request when it is over: its name (auth, check, commit, grant, list, read, renew,
	// revoke), how long it took with all its attempts, and its outcome. It must not block.
	Observe func(op string, took time.Duration, err error)
	// Notice is told when Follow starts over: compacted, lost, silent, no_leader, auth, restored; and reconcile
	// when it lists again in the background. It must not block.
	Notice func(reason string)
	Log    *slog.Logger // default: none
}

// FromEnv returns the configuration that etcdctl would use with the same environment; lookup is os.LookupEnv
// or a part of it. The error names the variable.
func FromEnv(lookup func(string) (string, bool)) (Config, error) {
	e := env{lookup: lookup}
	c := Config{
		CACert:             e.text("CACERT"),
		Cert:               e.text("CERT"),
		Key:                e.text("KEY"),
		InsecureSkipVerify: e.flag("INSECURE_SKIP_TLS_VERIFY", false),
		User:               e.text("USER"),
		Password:           e.text("PASSWORD"),
		DialTimeout:        e.duration("DIAL_TIMEOUT"),
		RequestTimeout:     e.duration("COMMAND_TIMEOUT"),
		PingEvery:          e.duration("KEEPALIVE_TIME"),
		PingTimeout:        e.duration("KEEPALIVE_TIMEOUT"),
	}
	if list := e.text("ENDPOINTS"); list != "" {
		c.Endpoints = strings.Split(list, ",")
	} else if e.text("DISCOVERY_SRV") != "" {
		e.errs = append(e.errs, errors.New("read ETCDCTL_DISCOVERY_SRV: DNS discovery is not supported; list the members in ETCDCTL_ENDPOINTS"))
	}
	if c.Password == "" {
		// etcdctl takes the password from the user's variable only when it has none of its own.
		c.User, c.Password, _ = strings.Cut(c.User, ":")
	}
	if !e.flag("INSECURE_TRANSPORT", true) {
		for i, endpoint := range c.Endpoints {
			if !strings.Contains(endpoint, "://") {
				c.Endpoints[i] = "https://" + endpoint
			}
		}
	}
	return c, errors.Join(e.errs...)
}

// env reads ETCDCTL_ variables and gathers what is wrong with them.
type env struct {
	lookup func(string) (string, bool)
	errs   []error
}

func (e *env) text(name string) string {
	v, ok := e.lookup("ETCDCTL_" + name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(v)
}

func (e *env) flag(name string, standard bool) bool {
	v := e.text(name)
	if v == "" {
		return standard
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.errs = append(e.errs, fmt.Errorf("read ETCDCTL_%s %q: write true or false", name, v))
	}
	return b
}

func (e *env) duration(name string) time.Duration {
	v := e.text(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		e.errs = append(e.errs, fmt.Errorf("read ETCDCTL_%s %q: write a number with a unit, such as 5s", name, v))
	}
	return d
}

// Validate says what is wrong and what to do about it. It reads the certificate files.
func (c Config) Validate() error {
	if len(c.Endpoints) == 0 {
		return errors.New("configure etcd: no endpoints; give at least one, such as http://127.0.0.1:2379")
	}
	secure := map[bool]string{}
	for _, e := range c.Endpoints {
		target, err := c.parse(e)
		if err != nil {
			return fmt.Errorf("configure etcd: %w", err)
		}
		secure[target.secure] = e
	}
	switch {
	case len(secure) == 2:
		return fmt.Errorf("configure etcd: %s is spoken to with TLS and %s without; give all endpoints the same scheme", secure[true], secure[false])
	case !strings.HasSuffix(c.prefix(), "/") || len(c.prefix()) > 256:
		return fmt.Errorf("configure etcd: prefix %q must end in / and have at most 256 bytes, such as /drm/", c.Prefix)
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("configure etcd: a client certificate needs both its certificate file and its key file")
	case (c.User == "") != (c.Password == ""):
		return errors.New("configure etcd: give both a user and a password (ETCDCTL_USER=name:password), or neither")
	case c.usesTLS() && secure[true] == "":
		return fmt.Errorf("configure etcd: certificates are given but %s is plain text; write https://", secure[false])
	}
	for _, d := range []time.Duration{c.DialTimeout, c.RequestTimeout, c.PingEvery, c.PingTimeout, c.FreshEvery, c.ReconcileEvery} {
		if d < 0 {
			return fmt.Errorf("configure etcd: %v is negative; durations must be positive, or 0 for the default", d)
		}
	}
	if secure[true] != "" {
		if _, err := c.loadTLS(); err != nil {
			return fmt.Errorf("configure etcd: %w", err)
		}
	}
	return nil
}

// target is an endpoint taken apart.
type target struct {
	address string // host:port
	secure  bool
}

func (c Config) parse(endpoint string) (target, error) {
	e := strings.TrimSpace(endpoint)
	if !strings.Contains(e, "://") {
		scheme := "http://"
		if c.usesTLS() && !c.InsecureTransport {
			scheme = "https://"
		}
		e = scheme + e
	}
	u, err := url.Parse(e)
	if err != nil {
		return target{}, fmt.Errorf("read endpoint %q: %w", endpoint, err)
	}
	_, port, err := net.SplitHostPort(u.Host)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("read endpoint %q: write http://host:port or https://host:port", endpoint)
	case err != nil || port == "" || u.Hostname() == "":
		return target{}, fmt.Errorf("read endpoint %q: host and port are needed, such as %s://etcd-0:2379", endpoint, u.Scheme)
	case u.User != nil:
		return target{}, fmt.Errorf("read endpoint %s: user and password don't belong there; give them by themselves", u.Redacted())
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return target{}, fmt.Errorf("read endpoint %q: nothing may follow the port", endpoint)
	}
	return target{address: u.Host, secure: u.Scheme == "https"}, nil
}

func (c Config) usesTLS() bool {
	return c.CACert != "" || c.Cert != "" || c.ServerName != "" || c.InsecureSkipVerify
}

func (c Config) prefix() string {
	if c.Prefix == "" {
		return "/drm/"
	}
	return c.Prefix
}

// filled returns the configuration with defaults for what is not set.
func (c Config) filled() Config {
	c.Prefix = c.prefix()
	fill(&c.DialTimeout, 2*time.Second)
	fill(&c.RequestTimeout, 5*time.Second)
	fill(&c.PingEvery, 10*time.Second)
	fill(&c.PingTimeout, 6*time.Second)
	fill(&c.FreshEvery, 700*time.Millisecond)
	fill(&c.ReconcileEvery, 10*time.Minute)
	fill(&c.PageSize, 50_000)
	if c.Observe == nil {
		c.Observe = func(string, time.Duration, error) {}
	}
	if c.Notice == nil {
		c.Notice = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func fill[T ~int | ~int64](v *T, standard T) {
	if *v == 0 {
		*v = standard
	}
}
