//go:build linux

package campaign

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is what became of one fault, in all hands that it was in.
type row struct {
	times        int
	worst, bound time.Duration // to calm, and what was allowed then, of the hand that took longest
}

// report has a row for each fault, by name.
type report map[string]*row

func (r report) add(cards []card, took, bound time.Duration) {
	for _, card := range cards {
		if r[card.name] == nil {
			r[card.name] = &row{}
		}
		entry := r[card.name]
		entry.times++
		if took >= entry.worst {
			entry.worst, entry.bound = took, bound
		}
	}
}

func (r report) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FAULT\tTIMES\tWORST TIME TO CALM\tBOUND OF THAT HAND")
	for _, name := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(table, "%s\t%d\t%v\t%v\n", name, r[name].times, r[name].worst.Round(10*time.Millisecond), r[name].bound)
	}
	_ = table.Flush() // into memory
	return text.String()
}

// conclude ends all processes, judges what can only be judged then, and prints what there is to tell.
func (c *campaign) conclude() {
	c.watchAll()
	c.fleet.Close()
	c.watch.close()
	r := c.rec.Record()
	operations := c.judgeHistory()
	c.judgeLogs()
	c.t.Logf("seed %d, %v, %d connections, %d operations on claims\n%s", c.seed, time.Since(c.began).Round(time.Second), r.Ever, operations, c.report)
	twice := 0
	for _, v := range c.broken() {
		if v.check == checkHeldTwice {
			twice++
		}
	}
	c.t.Logf("held twice: %d (and %d times an open connection of a node that was frozen, on which nothing was sent)", twice, c.excused)
}

// watchAll waits until the campaign's own watch has told of all that there is.
func (c *campaign) watchAll() {
	ctx, cancel := context.WithTimeout(c.ctx, insists)
	defer cancel()
	client, err := c.well()
	c.must(err)
	c.must(c.watch.until(ctx, client, c.fleet.Prefix))
}

// judgeHistory judges what was done to claims, and returns how many operations that were.
func (c *campaign) judgeHistory() (operations int) {
	all := histories{}
	for resource, ops := range c.own {
		all[resource] = slices.Clone(ops)
	}
	for _, n := range c.fleet.Nodes() {
		c.must(all.readLog(n.LogPath(), n.ID))
	}
	changes := c.watch.all()
	for resource := range changes {
		all[resource] = slices.Clip(all[resource])
	}
	for _, resource := range slices.Sorted(maps.Keys(all)) {
		ops, errs := accountFor(resource, all[resource], changes[resource])
		operations += len(ops)
		for _, err := range errs {
			c.violated(checkAccount, err)
		}
		if err := linearizable(resource, ops); err != nil {
			c.violated(checkLinear, err)
		}
	}
	return operations
}

// judgeLogs looks for what no node may write.
func (c *campaign) judgeLogs() {
	for _, n := range c.fleet.Nodes() {
		log := n.Log()
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if at := strings.Index(log, bad); at >= 0 {
				c.violated(checkLogs, fmt.Errorf("node %s:\n%s", n.ID, log[at:min(len(log), at+4000)]))
			}
		}
	}
}

// discard removes the logs, and drm as it was built.
func (c *campaign) discard() { c.must(os.RemoveAll(c.dir)) }

// verdict fails the test with all that was violated, and removes the logs if nothing was.
func (c *campaign) verdict() {
	broken := c.broken()
	if len(broken) == 0 {
		c.discard()
		return
	}
	counts := map[string]int{}
	for _, v := range broken {
		if counts[v.check]++; counts[v.check] <= 3 {
			c.t.Errorf("%s: %v", v.check, v.err)
		}
	}
	c.t.Errorf("%v\n%s", counts, c.repeat())
}
