package redisconn

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
)

const (
	defaultPort  = "6379"
	sentinelPort = "26379"
	maxDB        = 1 << 16
	maxSentinels = 16
)

// Target is what a spec says about the server to connect to, and as whom. Embed it, set DefaultTarget before decoding and
// call Check after.
type Target struct {
	// URL is redis:// or rediss:// (TLS), with user, host, port and number of the database, all but the host optional.
	URL      string           `json:"url"`
	Password resources.Secret `json:"password"`
	// Sentinel, if its master is named, says where the server is; URL has no host then.
	Sentinel Sentinel      `json:"sentinel"`
	TLS      resources.TLS `json:"tls"`
	Network  Network       `json:"network"`
	// DialTimeout bounds how long each server may take from the look-up of its name to its answer to the password.
	DialTimeout cluster.Duration `json:"dial_timeout" min:"100ms" max:"5m"`
}

// Sentinel names the processes that know which server is the master. They are asked in this order, by TLS if the URL says rediss.
type Sentinel struct {
	Master   string           `json:"master"`
	Addrs    []string         `json:"addrs"` // host or host:port
	Username string           `json:"username"`
	Password resources.Secret `json:"password"`
}

// Network is what of resources.Network makes sense for a server that is not reached by HTTP.
type Network struct {
	AllowCIDRs []netip.Prefix `json:"allow_cidrs"` // only these addresses; empty: any
	DenyCIDRs  []netip.Prefix `json:"deny_cidrs"`  // never these
}

// DefaultTarget returns a Target with the defaults.
func DefaultTarget() Target { return Target{DialTimeout: cluster.Duration(5 * time.Second)} }

// Check says what is wrong with the target, without looking at files or the network. Errors hold no secret.
func (t *Target) Check() error {
	if err := t.checkURL(); err != nil {
		return err
	}
	if password, here := t.Password.Written(); here && password == "" && t.user() != "" {
		return resources.Wrong("password", `is missing, but url has a user; give it, such as {"from_env": "NAME"}`)
	}
	return t.TLS.Check()
}

func (t *Target) checkURL() error {
	const form = "redis://user@host:6379/0, with TLS rediss://…"
	if t.URL == "" {
		return resources.Wrong("url", "is missing; give it "+form)
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return resources.Wrong("url", "is malformed; give it "+form) // the reason would repeat it, password included
	}
	db, dbErr := strconv.Atoi(strings.TrimPrefix(u.Path, "/"))
	switch _, hasPassword := u.User.Password(); {
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return resources.Wrong("url", fmt.Sprintf("has the scheme %q; it must be \"redis\" or \"rediss\"", u.Scheme))
	case hasPassword:
		return resources.Wrong("url", `holds a password, which logs would show; put it into password, such as {"from_env": "NAME"}`)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return resources.Wrong("url", "has more than user, host, port and database; give it "+form)
	case u.Path != "" && u.Path != "/" && (dbErr != nil || db < 0 || db > maxDB):
		return resources.Wrong("url", fmt.Sprintf("has the database %q; it must be a number, such as /0", u.Path))
	case t.Sentinel.Master != "":
		return t.checkSentinel(u)
	case len(t.Sentinel.Addrs) > 0 || t.Sentinel.Username != "" || t.Sentinel.Password != resources.Secret{}:
		return resources.Wrong("sentinel.master", "is missing; it is the name under which the sentinels know the master")
	case u.Hostname() == "":
		return resources.Wrong("url", "has no host; give it "+form)
	}
	return checkAddress("url", u.Host)
}

func (t *Target) checkSentinel(u *url.URL) error {
	if u.Host != "" {
		return resources.Wrong("url", "has a host, but the sentinels say where the master is; leave it out, as in redis://user@/0")
	}
	if n := len(t.Sentinel.Addrs); n < 1 || n > maxSentinels {
		return resources.Wrong("sentinel.addrs", fmt.Sprintf("has %d addresses; give it 1 to %d, such as [\"host:26379\"]", n, maxSentinels))
	}
	for i, addr := range t.Sentinel.Addrs {
		if err := checkAddress(fmt.Sprintf("sentinel.addrs[%d]", i), addr); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress says what is wrong with host or host:port.
func checkAddress(field, addr string) error {
	u, err := url.Parse("redis://" + addr)
	if err != nil || u.Host != addr || u.Hostname() == "" {
		return resources.Wrong(field, "is not host or host:port")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); strings.HasSuffix(addr, ":") || u.Port() != "" && (err != nil || port == 0) {
		return resources.Wrong(field, fmt.Sprintf("has port %q; it must be from 1 to 65535", u.Port()))
	}
	return nil
}

// parsed returns the URL, which Check has seen.
func (t *Target) parsed() *url.URL {
	if u, err := url.Parse(t.URL); err == nil {
		return u
	}
	return &url.URL{}
}

func (t *Target) user() string { return t.parsed().User.Username() }

func (t *Target) secure() bool { return t.parsed().Scheme == "rediss" }

func (t *Target) database() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(t.parsed().Path, "/")) // none is 0
	return n
}

func (t *Target) address() string { return withPort(t.parsed().Host, defaultPort) }

// withPort returns host:port of an address that Check has seen.
func withPort(addr, usual string) string {
	u := url.URL{Host: addr}
	port := u.Port()
	if port == "" {
		port = usual
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// String names the server as logs and errors may show it: without user and password.
func (t *Target) String() string {
	if t.Sentinel.Master != "" {
		return "sentinel " + t.Sentinel.Master
	}
	return t.address()
}

// Place tells connections apart: targets whose connections are interchangeable have equal ones. It is comparable and holds
// secrets, so it is not to be printed.
type Place struct {
	url, sentinel, network     string
	password, sentinelPassword resources.Secret
	tls                        resources.TLS
}

// Place returns the place that the target leads to: a server, user and database, by the same credentials and settings.
func (t *Target) Place() Place {
	u := t.parsed()
	return Place{
		url:              fmt.Sprintf("%s %q %s %d", u.Scheme, t.user(), t.address(), t.database()),
		sentinel:         fmt.Sprintf("%q %q %q", t.Sentinel.Master, t.Sentinel.Addrs, t.Sentinel.Username),
		network:          fmt.Sprintf("%s %s", t.Network.AllowCIDRs, t.Network.DenyCIDRs),
		password:         t.Password,
		sentinelPassword: t.Sentinel.Password,
		tls:              t.TLS,
	}
}

// guarded returns the restrictions as the guard takes them.
func (n Network) guarded() resources.Network {
	return resources.Network{AllowCIDRs: n.AllowCIDRs, DenyCIDRs: n.DenyCIDRs}
}
