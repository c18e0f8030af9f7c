package resources

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// What is refused, by which reason, and what the operator's flags open. Seen to fail without Unmap, without the NAT64
// case, and with the metadata addresses checked after the private ones.
func TestGuardJudges(t *testing.T) {
	store := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2379"), netip.MustParseAddrPort("10.0.0.5:2379")}
	strict := &Guard{Store: store}
	loopback := &Guard{Store: store, AllowLoopback: true}
	private := &Guard{Store: store, AllowPrivate: true}
	for address, want := range map[string][3]string{ // strict, loopback allowed, private allowed
		"127.0.0.1:80":                {BlockLoopback, "", BlockLoopback},
		"127.9.9.9:80":                {BlockLoopback, "", BlockLoopback},
		"[::1]:80":                    {BlockLoopback, "", BlockLoopback},
		"[::ffff:127.0.0.1]:80":       {BlockLoopback, "", BlockLoopback},
		"[64:ff9b::7f00:1]:80":        {BlockLoopback, "", BlockLoopback},
		"0.0.0.0:80":                  {BlockLoopback, "", BlockLoopback},
		"[::]:80":                     {BlockLoopback, "", BlockLoopback},
		"127.0.0.1:2379":              {BlockStore, BlockStore, BlockStore},
		"127.0.0.2:2379":              {BlockStore, BlockStore, BlockStore},
		"[::1]:2379":                  {BlockStore, BlockStore, BlockStore},
		"10.0.0.5:2379":               {BlockStore, BlockStore, BlockStore},
		"10.0.0.5:2380":               {BlockPrivate, BlockPrivate, ""},
		"192.168.1.1:80":              {BlockPrivate, BlockPrivate, ""},
		"172.16.0.1:80":               {BlockPrivate, BlockPrivate, ""},
		"100.64.0.1:80":               {BlockPrivate, BlockPrivate, ""},
		"[fd12::1]:80":                {BlockPrivate, BlockPrivate, ""},
		"[64:ff9b::a00:1]:80":         {BlockPrivate, BlockPrivate, ""},
		"169.254.1.1:80":              {BlockLinkLocal, BlockLinkLocal, BlockLinkLocal},
		"169.254.169.254:80":          {BlockMetadata, BlockMetadata, BlockMetadata},
		"[::ffff:169.254.169.254]:80": {BlockMetadata, BlockMetadata, BlockMetadata},
		"[64:ff9b::a9fe:a9fe]:80":     {BlockMetadata, BlockMetadata, BlockMetadata},
		"100.100.100.200:80":          {BlockMetadata, BlockMetadata, BlockMetadata},
		"[fd00:ec2::254]:80":          {BlockMetadata, BlockMetadata, BlockMetadata},
		"[fe80::1%eth0]:80":           {BlockLinkLocal, BlockLinkLocal, BlockLinkLocal},
		"[2002:7f00:1::]:80":          {BlockSpecial, BlockSpecial, BlockSpecial},
		"[2001:db8::1]:80":            {BlockSpecial, BlockSpecial, BlockSpecial},
		"[64:ff9b:1::1]:80":           {BlockSpecial, BlockSpecial, BlockSpecial},
		"224.0.0.1:80":                {BlockSpecial, BlockSpecial, BlockSpecial},
		"255.255.255.255:80":          {BlockSpecial, BlockSpecial, BlockSpecial},
		"198.51.100.1:80":             {BlockSpecial, BlockSpecial, BlockSpecial},
		"8.8.8.8:80":                  {"", "", ""},
		"8.8.8.8:2379":                {"", "", ""},
		"[64:ff9b::808:808]:80":       {"", "", ""},
		"[2606:4700:4700::1111]:9999": {"", "", ""},
	} {
		for i, g := range []*Guard{strict, loopback, private} {
			if got := g.judge(netip.MustParseAddrPort(address)); got != want[i] {
				t.Errorf("%s with guard %d: %q, want %q", address, i, got, want[i])
			}
		}
	}
}

// The guard judges what a name resolved to, tells which flag would help, and counts.
func TestGuardAtDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	var counted []string
	g := &Guard{Meter: Meter{Blocked: func(reason string) { counted = append(counted, reason) }}}
	_, err = g.Dialer().Dial("tcp", net.JoinHostPort("localhost", port))
	var blocked *BlockedError
	if !errors.As(err, &blocked) || !strings.Contains(err.Error(), "--egress-allow-loopback") || len(counted) == 0 {
		t.Errorf("error %v, counted %v", err, counted)
	}
	if _, err := g.Dialer().Dial("udp", "127.0.0.1:53"); err == nil {
		t.Error("UDP is allowed")
	}
	conn, err := (&Guard{AllowLoopback: true}).Dialer().Dial("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// Every reason has a description, and every label that the package can use is announced.
func TestReasonsAreDescribed(t *testing.T) {
	for _, reason := range BlockReasons() {
		if describe[reason] == "" {
			t.Errorf("%s has no description", reason)
		}
	}
	if len(describe) != len(BlockReasons()) {
		t.Error("a description is not announced as a reason")
	}
}
