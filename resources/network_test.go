package resources

import (
	"net/netip"
	"strings"
	"testing"
)

// A spec narrows what may be reached, also of addresses in disguise, and widens nothing. Seen to fail without reached, and with the
// spec asked before the guard.
func TestNetworkNarrows(t *testing.T) {
	prefix := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	guard := &Guard{AllowPrivate: true}
	for _, test := range []struct {
		n       Network
		address string
		want    string
	}{
		{Network{}, "8.8.8.8:443", ""},
		{Network{AllowCIDRs: prefix("10.1.0.0/16")}, "10.1.2.3:443", ""},
		{Network{AllowCIDRs: prefix("10.1.0.0/16")}, "[::ffff:10.1.2.3]:443", ""},
		{Network{AllowCIDRs: prefix("10.1.0.0/16")}, "10.2.2.3:443", BlockSpec},
		{Network{AllowCIDRs: prefix("10.1.0.0/16")}, "8.8.8.8:443", BlockSpec},
		{Network{DenyCIDRs: prefix("10.0.0.0/8")}, "10.1.2.3:443", BlockSpec},
		{Network{DenyCIDRs: prefix("10.0.0.0/8")}, "[64:ff9b::a01:203]:443", BlockSpec},
		{Network{DenyCIDRs: prefix("10.0.0.0/8"), AllowCIDRs: prefix("10.0.0.0/8")}, "10.1.2.3:443", BlockSpec},
		{Network{AllowCIDRs: prefix("0.0.0.0/0")}, "127.0.0.1:443", BlockLoopback},
		{Network{AllowCIDRs: prefix("169.254.0.0/16")}, "169.254.169.254:80", BlockMetadata},
	} {
		var got string
		guard.Meter.Blocked = func(reason string) { got = reason }
		err := guard.control("tcp4", test.address, &test.n)
		if got != test.want || (err == nil) != (test.want == "") || IsBlocked(err) != (test.want != "") {
			t.Errorf("%s with %+v: %q, %v, want %q", test.address, test.n, got, err, test.want)
		}
	}
}

// Which URLs a spec's own settings allow.
func TestNetworkURLs(t *testing.T) {
	open := Network{AllowHTTP: true}
	for _, test := range []struct {
		n         *Network
		url, says string
	}{
		{nil, "http://x.example:8080", ""},
		{nil, "ftp://x.example", `must be "http" or "https"`},
		{&Network{}, "https://x.example", ""},
		{&Network{}, "http://x.example", "set network.allow_http to true"},
		{&Network{}, "https://x.example:8443", "among network.ports [443]; add it there"},
		{&Network{Ports: []int{8443}}, "https://x.example:8443", ""},
		{&Network{Ports: []int{8443}}, "https://x.example", "has port 443"},
		{&open, "http://x.example", ""},
		{&open, "https://x.example", ""},
		{&open, "http://x.example:8080", "among network.ports [443 80]"},
	} {
		err := test.n.CheckURL("url", test.url)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s with %+v: %v, want %s", test.url, test.n, err, test.says)
		}
	}
}
