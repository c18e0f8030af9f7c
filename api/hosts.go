package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostCheck answers only requests made under a name that is the node's.
//
// A page in a browser may read what its own origin serves. DNS rebinding makes a node part of that origin: the attacker's
// name first resolves to the attacker's server and then to the node's address, and neither the same-origin policy
// nor a check of Origin sees a difference. The Host header shows it, since it still bears the attacker's name.
// An IP address in it is always fine: it can't be made to resolve to another, so the page came from there
// too. It need not be an address of this machine's, which it isn't behind a published container port.
type hostCheck struct {
	names    map[string]bool
	suffixes []string // with their dot
	next     http.Handler
}

func newHostCheck(allowed []string, next http.Handler) *hostCheck {
	h := &hostCheck{names: map[string]bool{"localhost": true}, suffixes: []string{".localhost"}, next: next}
	for _, name := range allowed {
		switch name = hostName(name); {
		case strings.HasPrefix(name, "."):
			h.suffixes = append(h.suffixes, name)
		case name != "":
			h.names[name] = true
		}
	}
	return h
}

// ServeHTTP passes the request on, or answers 421 with what to do if the name is the node's after all.
func (h *hostCheck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.allows(r.Host) {
		h.next.ServeHTTP(w, r)
		return
	}
	text, _ := json.Marshal(fmt.Sprintf("this node is not known as %q; call it by IP address or as localhost, or, if the name is "+
		"its own, start drm with --allow-host %s", r.Host, hostName(r.Host))) // of a string
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusMisdirectedRequest)
	fmt.Fprintf(w, "{\"error\": %s}\n", text)
}

func (h *hostCheck) allows(host string) bool {
	if host == "" {
		return true // HTTP/1.0, as simple health checkers speak it; every browser names a host
	}
	name := hostName(host)
	if _, err := netip.ParseAddr(name); err == nil || h.names[name] {
		return true
	}
	for _, suffix := range h.suffixes {
		if strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
			return true
		}
	}
	return false
}

// hostName takes the port, the brackets of IPv6 and a final dot off, and case with them.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// secured sets what browsers are to be told of every answer: nothing is to be kept, run, framed, guessed at or used by
// pages of others.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
