//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
)

// part is one thing to measure, with nodes of one sort.
type part struct {
	name, about string
	sizes       []int // numbers of resources

	fleet   func(context.Context, *stage) ([]row, error)  // "drm run" processes and websockets
	inside  func(context.Context, *inside) ([]row, error) // nodes in this process that only hold
	hooks   func(context.Context, *hooks) ([]row, error)  // "drm run" processes and webhooks
	members int                                           // of etcd, when it needs some of its own
}

var parts = []part{
	{
		name: "claims", about: "claims a second, beside raw puts, a mutex for each resource, and nodes that race", sizes: []int{10_000},
		inside: claims,
	},
	{
		name: "takeover", about: "all that a dead node held is claimed and started, beside mutexes and a race", sizes: []int{10_000, 100_000},
		inside: takeover,
	},
	{name: "kill", about: "kill -9 of a worker: its websockets open elsewhere", sizes: []int{1_000, 10_000}, fleet: killWorker},
	{name: "heavy", about: "the same, of a worker that held nearly all", sizes: []int{10_000}, fleet: killHeavy},
	{name: "lost", about: "kill -9 of worker and supervisor, as when a machine is lost", sizes: []int{10_000}, fleet: killBoth},
	{name: "budget", about: "the worker dies that held nearly all of a group with a connect_limit", sizes: []int{1_000}, fleet: budget},
	{name: "leave", about: "SIGTERM: time without a connection", sizes: []int{1_000}, fleet: leave},
	{name: "pause", about: "SIGSTOP of a worker", sizes: []int{1_000}, fleet: pauseWorker},
	{name: "join", about: "a fourth node gets its share of the websockets", sizes: []int{1_000}, fleet: join},
	{name: "rolling", about: "each node is restarted in turn", sizes: []int{1_000}, fleet: rolling},
	{name: "moves", about: "a node joins and leaves: moves beyond the least, spread, hand-off gaps", sizes: []int{10_000}, inside: moves},
	{name: "leader", about: "etcd's leader is killed, of three members: what stops", sizes: []int{10_000}, inside: leader, members: 3},
	{name: "steady", about: "keepalives and writes while nothing happens", sizes: []int{10_000}, inside: steady},
	{
		name: "redis", about: "resources that follow channels of one redis server: connections; messages a second, beside a bare loop", sizes: []int{5_000},
		fleet: shareRedis,
	},
	{
		name: "flow", about: "messages a second through a websocket to standard output and to an http sink, beside a bare loop", sizes: []int{1},
		fleet: flow,
	},
	{name: "memory", about: "memory for each idle websocket on its holder", sizes: []int{10_000}, fleet: memory},
	{name: "elsewhere", about: "memory for each resource that others hold", sizes: []int{100_000}, inside: elsewhere},
	{
		name: "deliveries", about: "guarded deliveries of webhooks a second, beside a loop of plain POSTs; lag at half of that", sizes: []int{1_000},
		hooks: deliveries,
	},
	{name: "hooks", about: "writes and memory of webhooks for which nothing is published", sizes: []int{10_000}, hooks: idleHooks},
	{name: "resume", about: "kill -9 of the holder of webhooks with 10,000 undelivered events", sizes: []int{1, 1_000}, hooks: resume},
	{name: "polls", about: "resources with one interval are polled evenly over it, also after a worker was killed", sizes: []int{10_000}, fleet: polls},
	{name: "stall", about: "a put while leases are revoked: all claims on one lease, beside a thousand on each", sizes: []int{100_000}, inside: stall},
}

func names() []string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return all
}

// list says what there is to measure.
func list(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range parts {
		fmt.Fprintf(w, "%s\t%s\t%v\n", p.name, p.about, p.sizes)
	}
	return w.Flush()
}
