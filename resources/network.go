package resources

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
)

// Network is the "network" field of a spec: what of the network it wants to reach. It only ever narrows what
// the operator of the node allows by the Guard.
type Network struct {
	AllowHTTP  bool           `json:"allow_http"`  // http:// as well as https://
	AllowCIDRs []netip.Prefix `json:"allow_cidrs"` // only these addresses; empty: any
	DenyCIDRs  []netip.Prefix `json:"deny_cidrs"`  // never these
	Ports      []int          `json:"ports"`       // of URLs; empty: 443, and 80 with allow_http
	Proxy      string         `json:"proxy"`       // http://host:port that is asked (CONNECT) for each connection
}

// Check says what is wrong with the settings as such.
func (n *Network) Check() error {
	for _, port := range n.Ports {
		if port < 1 || port > 65535 {
			return Wrong("network.ports", fmt.Sprintf("has %d; they go from 1 to 65535", port))
		}
	}
	if n.Proxy == "" {
		return nil
	}
	if len(n.AllowCIDRs)+len(n.DenyCIDRs) > 0 {
		return Wrong("network.proxy", "is given with allow_cidrs or deny_cidrs, which a proxy that looks up names itself makes void; "+
			"leave one of them out")
	}
	return CheckURL("network.proxy", n.Proxy, "http")
}

// CheckURL does as the function CheckURL for a URL of the spec that is to be called by HTTP, and refuses what the settings
// exclude. A nil Network excludes nothing.
func (n *Network) CheckURL(field, raw string) error {
	if n == nil {
		return CheckURL(field, raw, "http", "https")
	}
	if err := CheckURL(field, raw, "https", "http"); err != nil {
		return err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Wrong(field, "is malformed")
	}
	port, ports := u.Port(), n.Ports
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if len(ports) == 0 {
		ports = []int{443}
		if n.AllowHTTP {
			ports = []int{443, 80}
		}
	}
	switch {
	case u.Scheme == "http" && !n.AllowHTTP:
		return Wrong(field, "is not https; if all on the way may read it, set network.allow_http to true")
	case !slices.ContainsFunc(ports, func(p int) bool { return fmt.Sprint(p) == port }):
		return Wrong(field, fmt.Sprintf("has port %s, which is not among network.ports %v; add it there", port, ports))
	}
	return nil
}

// excludes tells whether an address is one that the spec itself does not want to reach.
func (n *Network) excludes(addr netip.Addr) bool {
	return within(addr, n.DenyCIDRs) || len(n.AllowCIDRs) > 0 && !within(addr, n.AllowCIDRs)
}
