//go:build linux

package campaign

import (
	"fmt"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
)

// leak is by how much a process may be larger than it should be: connections to etcd come and go, and have goroutines and descriptors
// too, some tens of them. A leak in what faults set off grows with every hand.
const leak = 60

// size is what a process has of what can leak.
type size struct{ goroutines, descriptors float64 }

// sizes are how large a node's process is that holds nothing, and what each resource costs it.
type sizes struct{ bare, each size }

// empty measures the nodes while they hold nothing.
func (s *sizes) empty(c *campaign) error {
	for _, n := range c.nodes {
		now, err := sizeOf(c, n)
		if err != nil {
			return err
		}
		s.bare.goroutines = max(s.bare.goroutines, now.goroutines)
		s.bare.descriptors = max(s.bare.descriptors, now.descriptors)
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
	for _, n := range c.nodes {
		full, err := sizeOf(c, n)
		if err != nil {
			return err
		}
		if held[n.ID] > 0 {
			s.each.goroutines = max(s.each.goroutines, (full.goroutines-s.bare.goroutines)/held[n.ID])
			s.each.descriptors = max(s.each.descriptors, (full.descriptors-s.bare.descriptors)/held[n.ID])
		}
	}
	c.say("a node has %.0f goroutines and %.0f descriptors, and for each resource %.1f and %.1f",
		s.bare.goroutines, s.bare.descriptors, s.each.goroutines, s.each.descriptors)
	return nil
}

// check compares every process with what it should be. What faults have left may take a while to go.
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
		most := size{
			s.bare.goroutines + held[n.ID]*s.each.goroutines + leak,
			s.bare.descriptors + held[n.ID]*s.each.descriptors + leak,
		}
		if now.goroutines > most.goroutines || now.descriptors > most.descriptors {
			return fmt.Errorf("node %s (pid %d) holds %.0f resources and has %.0f goroutines and %.0f descriptors; %.0f and %.0f are the most",
				n.ID, n.Worker.PID, held[n.ID], now.goroutines, now.descriptors, most.goroutines, most.descriptors)
		}
	}
	return nil
}

func sizeOf(c *campaign, n *fleet.Node) (size, error) {
	m, err := n.Metrics(c.ctx)
	return size{m["go_goroutines"], m["process_open_fds"]}, err
}
