package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/httppoll"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/resources/pull"
	"github.com/drm-cluster/drm/resources/redis"
	"github.com/drm-cluster/drm/resources/redisconn"
	"github.com/drm-cluster/drm/resources/source"
	"github.com/drm-cluster/drm/resources/trim"
	"github.com/drm-cluster/drm/resources/webhook"
	"github.com/drm-cluster/drm/resources/websocket"
	"github.com/drm-cluster/drm/sink"
)

// kindNames are the kinds of resources that this program can hold.
var kindNames = []string{httppoll.Kind, redis.Kind, source.Kind, trim.Kind, webhook.Kind, websocket.Kind}

// kinds returns the runner of each kind, and what must be called when none of them runs any more.
func (w *worker) kinds(stdout io.Writer, endpoints []string) (runners map[string]cluster.Runner, end func()) {
	meter := w.metrics.Meter()
	guard := &resources.Guard{
		AllowLoopback: w.egressLoopback,
		AllowPrivate:  w.egressPrivate,
		Store:         w.addresses(endpoints),
		Meter:         meter,
	}
	clients := post.NewClients(guard)
	log := slog.New(newLogLimit(w.log.Handler()))
	agent := "drm/" + thisBuild().Version
	nats := natsconn.New(natsconn.Options{Guard: guard, Name: agent + " " + w.node.node, Log: log})
	dialer := redisconn.NewDialer(guard)
	sinks := sink.NewSet(sink.Options{
		Stdout: stdout, Clients: clients, NATS: nats, Redis: dialer, Dir: w.sinkDir, Publish: w.tidier.publish, Full: w.full, Meter: meter,
	})
	budgets := resources.NewBudgets(w.nodes, meter)
	pulls := pull.NewSet(pull.Options{Clients: clients, Budgets: budgets, Agent: agent, Meter: meter, Log: log})
	w.sockets = websocket.New(websocket.Options{
		Sinks: sinks, Book: w.book, Clients: clients, Guard: guard, Budgets: budgets, Meter: meter, Log: log,
	})
	runners = map[string]cluster.Runner{
		httppoll.Kind: httppoll.New(httppoll.Options{Pulls: pulls, Sinks: sinks, Book: w.book, Meter: meter}),
		redis.Kind: redis.New(redis.Options{
			Sinks: sinks, Book: w.book, Dialer: dialer, Budgets: budgets, Meter: meter, Log: log,
		}),
		trim.Kind: trim.New(trim.Options{Store: w.store, Book: w.book, Meter: meter, Logger: log}),
		webhook.Kind: webhook.New(webhook.Options{
			Log: w.topics, Book: w.book, Clients: clients, NATS: nats, Agent: agent, Host: w.node.node, Meter: meter, Logger: log,
		}),
		websocket.Kind: w.sockets,
	}
	listable := slices.Sorted(maps.Keys(runners)) // all but sources themselves
	runners[source.Kind] = source.New(source.Options{
		Pulls: pulls, Book: w.book, Kinds: listable, Meter: meter,
		Check: func(kind string, spec json.RawMessage) error {
			_, err := cluster.ReadShared(spec)
			return cmp.Or(err, runners[kind].Check(spec))
		},
	})
	return runners, func() {
		clients.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := sinks.Close(ctx); err != nil {
			w.log.Warn("close sinks", "err", err)
		}
	}
}

// nodes is how many nodes there are, as this one sees it.
func (w *worker) nodes() int {
	n := 0
	for _, in := range w.loop.Stats().Nodes {
		n += in
	}
	return n
}

// addresses are those of etcd's members, which no resource may connect to.
func (w *worker) addresses(endpoints []string) []netip.AddrPort {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var all []netip.AddrPort
	for _, endpoint := range endpoints {
		if !strings.Contains(endpoint, "://") {
			endpoint = "http://" + endpoint
		}
		u, err := url.Parse(endpoint)
		if err != nil {
			continue // the store refuses such an endpoint
		}
		port, err := net.DefaultResolver.LookupPort(ctx, "tcp", u.Port())
		if err != nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			w.log.Warn("the egress guard does not know etcd by this name", "endpoint", u.Host, "err", err)
		}
		for _, ip := range ips {
			all = append(all, netip.AddrPortFrom(ip, uint16(port)))
		}
	}
	return all
}
