//go:build linux

package recorder

import "net/netip"

// Ask has the other side's kernel asked too whether it has a connection open that ours has: when packets are lost, ours does
// not learn of an end. To be called before anything connects.
func (s *Server) Ask(other func(client netip.AddrPort) (open bool)) { s.other = other }

// alive tells whether both sides have a connection open, now.
func (s *Server) alive(c *conn) bool {
	return c.link.alive() && (s.other == nil || s.other(c.link.client()))
}

// Alive returns the connections that both sides have open, now; a Record may still show one whose end was lost on the way.
func (s *Server) Alive() []Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Conn
	for _, res := range s.resources {
		for _, c := range res.open {
			if s.alive(c) {
				all = append(all, c.seen())
			}
		}
	}
	return all
}
