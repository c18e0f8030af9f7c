//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/test/fleet"
)

// feedRounds is how often each way is measured, in turns: others use the machine as well, and the middle one counts.
const feedRounds = 3

// trip is how one feed went.
type trip struct {
	took, processor time.Duration
}

// flow sends a feed through a websocket to each of two sinks, and to a program that does nothing but read it.
func flow(ctx context.Context, s *stage) ([]row, error) {
	h, address, err := startListener(roleFeeder)
	if err != nil {
		return nil, err
	}
	defer h.close()
	node, err := s.Start(ctx, nodeID(0))
	if err != nil {
		return nil, err
	}
	p := &pipe{stage: s, node: node, address: address}
	var bare, stdout, posted []trip
	for range feedRounds {
		for _, way := range []struct {
			runs *[]trip
			feed func(context.Context) (trip, error)
		}{{&bare, p.bare}, {&stdout, p.stdout}, {&posted, p.http}} {
			r, err := way.feed(ctx)
			if err != nil {
				return nil, fmt.Errorf("%w\n%s", err, node.Tail())
			}
			*way.runs = append(*way.runs, r)
		}
	}
	plain := middle(bare)
	rows := rated("a loop of ReadMessage alone", plain, trip{})
	rows = append(rows, rated("messages of 256 B from a websocket to standard output, one node", middle(stdout), plain)...)
	return append(rows, rated("  to an http sink, 100 in a request", middle(posted), plain)...), nil
}

// rated are the figures of a way, beside those of the plain program.
func rated(what string, r, plain trip) []row {
	rate := perSecond(what, 1, feedSize, r.took)
	use := count("  processor time for each", 1, float64(r.processor.Nanoseconds())/1e3/feedSize, "µs")
	if plain == (trip{}) {
		return []row{rate, use}
	}
	return []row{rate, count("  / the loop alone", 1, plain.took.Seconds()/r.took.Seconds(), "").atLeast(0.6), use}
}

// middle is the trip that took neither longest nor least.
func middle(runs []trip) trip {
	slices.SortFunc(runs, func(a, b trip) int { return int(a.took - b.took) })
	return runs[len(runs)/2]
}

// pipe is a node between a feeder and where the feed goes.
type pipe struct {
	*stage
	node    *fleet.Node
	address string // of the feeder
	feeds   int    // that were opened so far
}

func (p *pipe) name() string { p.feeds++; return fmt.Sprint("feed-", p.feeds) }

func (p *pipe) url(name string) string { return "ws://" + p.address + "/feed/" + name }

// arrived asks the feeder what has come of a feed; with whole, once all of it has.
func (p *pipe) arrived(ctx context.Context, name, whole string) (a arrivals, err error) {
	return a, remote{p.address}.ask(ctx, http.MethodGet, "/arrivals/"+name+"?whole="+whole, &a)
}

// bare has the plain program read a feed.
func (p *pipe) bare(ctx context.Context) (r trip, err error) {
	name := p.name()
	h, err := startHelper(roleReader, p.url(name))
	if err != nil {
		return r, err
	}
	defer h.close()
	var came arrivals
	if err := json.NewDecoder(h.stdout).Decode(&came); err != nil {
		return r, fmt.Errorf("read what the plain program says: %w", err)
	}
	r.processor = fleet.ProcessorTime(h.cmd.Process.Pid)
	fed, err := p.arrived(ctx, name, "")
	r.took = came.Ended.Sub(fed.Began)
	return r, errors.Join(err, came.complete())
}

// stdout has the node write a feed to its standard output, which is a file.
func (p *pipe) stdout(ctx context.Context) (trip, error) {
	name, log := p.name(), p.node.LogPath()
	info, err := os.Stat(log)
	if err != nil {
		return trip{}, fmt.Errorf("read log: %w", err)
	}
	return p.through(ctx, name, `{"type": "stdout"}`, func() (came arrivals, err error) {
		last := message(feedSize - 1)
		if err := poll(ctx, "the last message", func() (bool, error) { return written(log, info.Size(), last) }); err != nil {
			return came, err
		}
		came.Ended = time.Now()
		text, err := os.ReadFile(log)
		if err != nil {
			return came, fmt.Errorf("read log: %w", err)
		}
		came.take(text[info.Size():])
		fed, err := p.arrived(ctx, name, "")
		came.Began = fed.Began
		return came, err
	})
}

// http has the node post a feed back to the feeder.
func (p *pipe) http(ctx context.Context) (trip, error) {
	name := p.name()
	sink := fmt.Sprintf(`{"type": "http", "url": "http://%s/take/%s", "batch": {"max": 100}}`, p.address, name)
	return p.through(ctx, name, sink, func() (arrivals, error) { return p.arrived(ctx, name, "yes") })
}

// through puts a resource that opens a feed, and deletes it when all has arrived.
func (p *pipe) through(ctx context.Context, name, sink string, arrived func() (arrivals, error)) (r trip, err error) {
	path := cluster.ResourcePath(cluster.Key{Kind: "websocket", ID: name})
	before := fleet.ProcessorTime(p.node.Worker.PID)
	if err := p.Put(ctx, path, fmt.Sprintf(`{"url": %q, "sink": %s}`, p.url(name), sink)); err != nil {
		return r, err
	}
	came, err := arrived()
	if err != nil {
		return r, err
	}
	r.took, r.processor = came.Ended.Sub(came.Began), fleet.ProcessorTime(p.node.Worker.PID)-before
	return r, errors.Join(came.complete(), p.Delete(ctx, path))
}
