//go:build linux

package campaign

import (
	"fmt"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
)

// leak is by how much a process may have grown between two calm moments: connections to etcd that come and go have goroutines and
// descriptors too, some tens of them, and a leak in what faults set off grows with every hand.
const leak = 60

// size is what a process holds of what can leak.
type size struct{ goroutines, descriptors float64 }

// sizes are how large the nodes' processes are, besides what each resource costs.
type sizes struct {
	bare  [nodeCount]size      // with no resources
	each  size                 // for a resource
	first map[*fleet.Node]size // of each process at its first calm moment
}

// empty measures the nodes while they hold nothing.
func (s *sizes) empty(c *campaign) (err error) {
	s.first = map[*fleet.Node]size{}
	for i, n := range c.nodes {
		if s.bare[i], err = sizeOf(c, n); err != nil {
			return err
		}
	}
	return nil
}

// measure finds out what a resource costs, now that all are held.
func (s *sizes) measure(c *campaign) error {
	claims, err := c.claims()
	if err != nil {
		return err
	}
	held := map[string]float64{}
	for _, claim := range claims {
		held[claim.Node]++
	}
	for i, n := range c.nodes {
		full, err := sizeOf(c, n)
		if err != nil {
			return err
		}
		if held[n.ID] > 0 {
			s.each.goroutines = max(s.each.goroutines, (full.goroutines-s.bare[i].goroutines)/held[n.ID])
			s.each.descriptors = max(s.each.descriptors, (full.descriptors-s.bare[i].descriptors)/held[n.ID])
		}
	}
	c.say("a resource costs its node %.1f goroutines and %.1f descriptors", s.each.goroutines, s.each.descriptors)
	return nil
}

// check compares every process with what it was at its first calm moment. What faults have left may take a while to go.
func (s *sizes) check(c *campaign) {
	deadline := time.Now().Add(2 * slack)
	for {
		err := s.grown(c)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.violated(checkLeaks, err)
			return
		}
		c.tick()
	}
}

func (s *sizes) grown(c *campaign) error {
	claims, err := c.claims()
	if err != nil {
		return err
	}
	held := map[string]float64{}
	for _, claim := range claims {
		held[claim.Node]++
	}
	for _, n := range c.nodes {
		now, err := sizeOf(c, n)
		if err != nil {
			return err
		}
		now.goroutines -= held[n.ID] * s.each.goroutines
		now.descriptors -= held[n.ID] * s.each.descriptors
		first, known := s.first[n]
		if !known {
			s.first[n] = now
			continue
		}
		if now.goroutines > first.goroutines+leak || now.descriptors > first.descriptors+leak {
			return fmt.Errorf("node %s (pid %d) had %.0f goroutines and %.0f descriptors besides those for what it held, and has %.0f and %.0f",
				n.ID, n.Worker.PID, first.goroutines, first.descriptors, now.goroutines, now.descriptors)
		}
	}
	return nil
}

func sizeOf(c *campaign, n *fleet.Node) (size, error) {
	m, err := n.Metrics(c.ctx)
	return size{m["go_goroutines"], m["process_open_fds"]}, err
}
