package resources

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// Guard decides which addresses a node may connect to on behalf of resources. It judges at the moment of
// dialling, the address that a name was resolved to, so a name that changes its answer gains nothing. Loopback,
// link-local and metadata addresses, private networks and everything else that the IANA registries keep
// from the public internet are refused; any port is allowed. Only the operator can widen it. The zero Guard is the
// strictest. It may be used concurrently and must not be changed once it is.
type Guard struct {
	AllowLoopback bool // --egress-allow-loopback
	AllowPrivate  bool // --egress-allow-private
	// Store are the addresses of the store that drm runs on: refused whatever is allowed. A loopback address
	// stands for all of them with that port.
	Store []netip.AddrPort
	Meter Meter
}

// BlockedError tells that the guard refused an address.
type BlockedError struct {
	Address string
	Reason  string // one of BlockReasons
}

// Error says what was refused and which flag, if any, would allow it.
func (e *BlockedError) Error() string {
	text := fmt.Sprintf("connect to %s: refused, the address is %s", e.Address, describe[e.Reason])
	switch e.Reason {
	case BlockLoopback:
		return text + "; start the node with --egress-allow-loopback to allow it"
	case BlockPrivate:
		return text + "; start the node with --egress-allow-private to allow it"
	case BlockSpec:
		return text
	}
	return text + "; no flag allows it"
}

var describe = map[string]string{
	BlockLoopback:  "this machine's own (loopback)",
	BlockLinkLocal: "link-local, where clouds keep their credentials",
	BlockMetadata:  "a metadata service, where clouds keep their credentials",
	BlockPrivate:   "in a private network",
	BlockStore:     "that of the store which drm runs on",
	BlockSpecial:   "reserved (not of the public internet)",
	BlockSpec:      "excluded by the resource's own spec (network.allow_cidrs, network.deny_cidrs)",
}

// Ranges that the operator's flags open, and addresses within them that stay closed.
var (
	loopbacks = prefixes("127.0.0.0/8", "::1/128")
	privates  = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
	metadata  = prefixes("169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32",
		"fd00:ec2::254/128", "fd20:ce::254/128")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	public = ssrf.New(ssrf.WithAnyPort())
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// Dialer returns a dialer that refuses what the guard refuses. TCP keepalive is off: whoever keeps a connection
// asks the other side by its own protocol.
func (g *Guard) Dialer() *net.Dialer { return g.DialerWithin(Network{}) }

// DialerWithin returns a dialer that refuses what the guard refuses, and what the spec of a resource excludes besides.
func (g *Guard) DialerWithin(n Network) *net.Dialer {
	control := func(network, address string, _ syscall.RawConn) error { return g.control(network, address, &n) }
	return &net.Dialer{Control: control, KeepAlive: -1}
}

// control is called between the making of a socket and its connect, with the address already resolved.
func (g *Guard) control(network, address string, n *Network) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("connect to %s: refused, only TCP to an address and port is allowed", address)
	}
	reason := g.judge(addr)
	if reason == "" && n.excludes(reached(addr.Addr())) {
		reason = BlockSpec
	}
	if reason == "" {
		return nil
	}
	g.Meter.Block(reason)
	return &BlockedError{Address: address, Reason: reason}
}

// reached returns what a connection to an address reaches: of an IPv4 address wrapped into IPv6, mapped (::ffff:0:0/96) or
// translated by NAT64 (64:ff9b::/96), that address.
func reached(addr netip.Addr) netip.Addr {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}

// judge returns why an address is refused, "" if it is not. 6to4 (2002::/16) is refused whatever it wraps.
func (g *Guard) judge(to netip.AddrPort) string {
	addr := reached(to.Addr())
	switch {
	case g.isStore(addr, to.Port()):
		return BlockStore
	case within(addr, metadata):
		return BlockMetadata
	case addr.IsLinkLocalUnicast():
		return BlockLinkLocal
	case within(addr, loopbacks) || addr.IsUnspecified(): // 0.0.0.0 reaches the own machine
		return unless(g.AllowLoopback, BlockLoopback)
	case within(addr, privates):
		return unless(g.AllowPrivate, BlockPrivate)
	case public.SafeAddr(addr) != nil:
		return BlockSpecial
	}
	return ""
}

func (g *Guard) isStore(addr netip.Addr, port uint16) bool {
	for _, s := range g.Store {
		own := s.Addr().Unmap()
		local := own.IsLoopback() || own.IsUnspecified()
		if s.Port() == port && (own == addr || local && (addr.IsLoopback() || addr.IsUnspecified())) {
			return true
		}
	}
	return false
}

func within(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func unless(allowed bool, reason string) string {
	if allowed {
		return ""
	}
	return reason
}

// IsBlocked tells whether an error comes from the guard.
func IsBlocked(err error) bool {
	var blocked *BlockedError
	return errors.As(err, &blocked)
}
