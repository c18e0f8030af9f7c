package cluster

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a node takes part. Required: Self.ID, Store, Runners, Clock.
type Config struct {
	// Self is what the node says of itself; the loop fills in Term, Planners, Kinds, Intake, TTL and Leaving.
	Self    Node
	Store   Store
	Runners map[string]Runner // by kind
	Clock   func() Instant

	TTL             time.Duration // asked for; default 8 s
	ElectionTimeout time.Duration // the store's; default 1 s, etcd's own
	StopBudget      time.Duration // how long runners may take to stop; default 1 s
	DrainTimeout    time.Duration // how long to hand off when leaving; default 20 s

	// Abort, when closed, ends a drain at once.
	Abort <-chan struct{}
	// Judge looks at the process behind an earlier term of this node; nil: it can't be told.
	Judge func(Life) Verdict
	// Observe is told every event, in order; only Stuck comes from beside the loop. It must not block, and may be
	// called from two goroutines at once.
	Observe func(Event)
	// Guard is told before a lease is first used and whenever the deadline moves, so that another process
	// can end this one when it is stuck. It may be called from several goroutines and must not block.
	Guard func(Guarded)
	// Exit ends the process: a runner has outlived its trust. It must not return.
	Exit func(error)
}

// Validate fills in defaults and says what is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Store == nil || c.Clock == nil || len(c.Runners) == 0:
		return errors.New("configure node: Store, Clock and Runners are required")
	case c.Self.Weight < 0 || c.Self.Weight > MaxWeight:
		return fmt.Errorf("configure node: weight is %d; it must be from 1 to %d", c.Self.Weight, MaxWeight)
	case c.Self.Capacity != nil && *c.Self.Capacity < 0:
		return fmt.Errorf("configure node: capacity is %d; it must not be negative", *c.Self.Capacity)
	}
	if err := CheckID(c.Self.ID); err != nil {
		return fmt.Errorf("configure node: %w", err)
	}
	if c.Self.Weight == 0 {
		c.Self.Weight = StandardWeight
	}
	orDefault(&c.TTL, 8*time.Second)
	orDefault(&c.ElectionTimeout, time.Second)
	orDefault(&c.StopBudget, time.Second)
	orDefault(&c.DrainTimeout, 20*time.Second)
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	if c.Guard == nil {
		c.Guard = func(Guarded) {}
	}
	if c.Judge == nil {
		c.Judge = func(Life) Verdict { return Unknown }
	}
	if c.Exit == nil {
		c.Exit = func(err error) { panic(err) }
	}
	return nil
}

func orDefault(d *time.Duration, standard time.Duration) {
	if *d == 0 {
		*d = standard
	}
}
