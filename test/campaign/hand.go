//go:build linux

package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/test/fleet"
)

// play deals hands until the time is up, or the deck, and stops at the first promise that was broken.
func (c *campaign) play() {
	d := newDeck(c.seed, c.possible())
	c.say("seed %d: %d nodes, %d members of etcd, %d resources, a TTL of %v; logs in %s", c.seed, nodeCount, memberCount, resources, ttl, c.dir)
	began := time.Now()
	for hand := 1; len(c.broken()) == 0; hand++ {
		c.hand(hand, d.deal())
		if c.lasts == 0 && len(d.cards) == 0 || c.lasts > 0 && time.Since(began) > c.lasts {
			break
		}
	}
	c.conclude()
}

// possible returns the faults that can be made here, of those that are wanted.
func (c *campaign) possible() []fault {
	return slices.DeleteFunc(faults(), func(f fault) bool {
		cant := f.needs == needsNetwork && c.network == nil || f.needs == needsDisks && c.disks == nil
		unwanted := len(c.only) > 0 && !slices.Contains(c.only, f.name)
		if cant && !unwanted {
			c.say("LEFT OUT: %s", f.name)
		}
		return cant || unwanted
	})
}

// hand makes the faults of a hand, and returns when all is as it should be again, or that was waited for in vain.
func (c *campaign) hand(number int, cards []card) {
	names := make([]string, len(cards))
	for i, card := range cards {
		names[i] = card.String()
	}
	what := fmt.Sprintf("hand %d (%s)", number, strings.Join(names, "; "))
	c.say("%s", what)
	heals, err := c.inject(cards)
	since := time.Now()
	fatal := slices.ContainsFunc(cards, func(card card) bool { return card.fatal })
	var least time.Duration
	for _, card := range cards {
		least = max(least, card.least)
	}
	if fatal && err == nil {
		c.rest(since, least)
		last := len(heals) - 1 // what is fatal was made last
		since, least = time.Now(), 0
		err = errors.Join(err, heals[last]())
		heals = heals[:last]
	}
	bound := boundOf(cards)
	var took time.Duration
	if err == nil {
		took, err = c.calmAfter(since, least, bound)
	}
	if err != nil {
		c.violated(checkCalm, fmt.Errorf("%s: not within %v: %w", what, bound, err))
	} else {
		c.say("hand %d: calm after %v of %v at most", number, took.Round(10*time.Millisecond), bound)
	}
	c.report.add(cards, took, bound)
	for _, heal := range heals {
		c.must(heal())
	}
	c.recover()
}

// inject makes faults, one after the other. What is fatal comes last: operators can do nothing any more after it.
func (c *campaign) inject(cards []card) (heals []func() error, err error) {
	slices.SortStableFunc(cards, func(a, b card) int { return order(a) - order(b) })
	for _, card := range cards {
		c.rest(time.Now(), card.after)
		c.say("  %s", card)
		heal, err := card.make(c, card, rand.New(rand.NewPCG(card.seed, 0)))
		if heal != nil {
			heals = append(heals, heal)
		}
		if err != nil {
			return heals, fmt.Errorf("%s: %w", card, err)
		}
	}
	return heals, nil
}

func order(c card) int {
	if c.fatal {
		return 1
	}
	return 0
}

// boundOf is within what all must be held again after several faults: what befalls nodes and keys runs out side by side, but what has
// to do with leases may count anew from an election.
func boundOf(cards []card) time.Duration {
	var most, etcd time.Duration
	for _, card := range cards {
		if card.hits == hitsEtcd {
			etcd = card.bound
		} else {
			most = max(most, card.bound)
		}
	}
	return most + etcd
}

// recover starts what has ended again, and looks at everything once all is well.
func (c *campaign) recover() {
	for again := true; again; again = !c.allRun() { // one that was frozen may be ended by its supervisor a moment after it woke up
		since := time.Now()
		c.must(c.keepUp())
		c.must(c.tidy())
		if c.untilCalm("its end", since, 0, rejoining) != nil {
			return
		}
	}
	c.hearRecorder()
	c.sizes.check(c)
}

func (c *campaign) hearRecorder() {
	ctx, cancel := context.WithTimeout(c.ctx, insists)
	defer cancel()
	client, err := c.well()
	c.must(err)
	c.must(c.watch.until(ctx, client, c.fleet.Prefix))
	r := c.rec.Record()
	c.hear(r, c.holder)
	c.hearEpochs(r, c.cutOff)
}

// keepUp starts every node that has ended, as systemd does, until all take part in the cluster.
func (c *campaign) keepUp() error {
	deadline := time.Now().Add(insists)
	for i := 0; i < nodeCount; {
		err := c.keep(i)
		switch {
		case err == nil:
			i++
		case time.Now().After(deadline):
			return err
		default:
			c.say("%v; it is started again", err)
		}
	}
	return nil
}

func (c *campaign) keep(i int) error {
	ctx, cancel := context.WithTimeout(c.ctx, insists)
	defer cancel()
	if n := c.nodes[i]; n != nil {
		if runs(n) {
			return nil
		}
		for _, p := range []*fleet.Process{n.Supervisor, n.Worker} {
			select {
			case <-p.Ended():
			case <-ctx.Done():
				return fmt.Errorf("wait for what is left of node %s to end: %w", n.ID, ctx.Err())
			}
		}
	}
	client, err := c.well()
	if err != nil {
		return err
	}
	c.fleet.Client = client
	c.nodes[i], err = c.fleet.Start(ctx, nodeID(i+1))
	return err
}

func runs(n *fleet.Node) bool { return n.Supervisor.Running() && n.Worker.Running() }

func (c *campaign) allRun() bool {
	return !slices.ContainsFunc(c.nodes[:], func(n *fleet.Node) bool { return !runs(n) })
}

// rest waits until a time has passed since a moment.
func (c *campaign) rest(since time.Time, d time.Duration) {
	for time.Since(since) < d && c.ctx.Err() == nil {
		c.tick()
	}
}

func (c card) String() string {
	if c.node != 0 {
		return c.name + " (" + nodeID(c.node) + ")"
	}
	return c.name
}
