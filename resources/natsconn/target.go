package natsconn

import (
	"net/url"
	"strings"

	"github.com/drm-cluster/drm/resources"
)

// Target is what a spec says of NATS servers, in the same fields for all that use them. Equal ones share a connection.
type Target struct {
	URL  string        `json:"url"` // nats://host:port or tls://host:port; several are separated by commas, and any will do
	Auth Auth          `json:"auth"`
	TLS  resources.TLS `json:"tls"`
}

// The schemes of a URL.
const (
	schemePlain  = "nats"
	schemeSecure = "tls"
)

// Check says what is wrong with a target, without looking at files or the network. Call it where the object that holds the fields is
// decoded (its UnmarshalJSON, or of the whole spec): its errors name the fields of that.
func (t *Target) Check() error {
	scheme := ""
	for _, raw := range strings.Split(t.URL, ",") {
		u, err := url.Parse(raw)
		if err == nil && u.User != nil {
			return resources.Wrong("url", "holds a user or password, which logs would show; put them into auth")
		}
		if err := resources.CheckURL("url", raw, schemePlain, schemeSecure); err != nil {
			return err
		}
		switch {
		case u.Path != "" || u.RawQuery != "":
			return resources.Wrong("url", "has something after host and port; leave it out")
		case scheme != "" && scheme != u.Scheme:
			return resources.Wrong("url", "mixes nats:// and tls://; all servers must have the same")
		}
		scheme = u.Scheme
	}
	if !t.secure() && t.TLS != (resources.TLS{}) {
		return resources.Wrong("tls", "is given, but url doesn't ask for it; write tls://host:port")
	}
	return t.TLS.Check()
}

// secure tells whether the connection must be encrypted. A server that insists on it is obeyed in any case.
func (t *Target) secure() bool { return strings.HasPrefix(t.URL, schemeSecure+":") }
