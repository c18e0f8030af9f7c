// Package api is the HTTP side of a node: is it well, who holds what, and its metrics.
//
// Any node answers for the whole cluster, because every node's view has all of it. What is read here changes
// nothing, and what does something is asked for with POST. Everything is for loopback or a private network: there are no accounts. What keeps a page in
// somebody's browser from reading it all the same is said at hostCheck.
//
// Revisions and epochs are 64 bits wide and travel as decimal strings, as in etcd's own JSON: JavaScript and jq would
// round large ones silently. They are to be compared as integers. All other numbers are small.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources/webhook"
)

// Options says what a node's HTTP side is made of. Cluster, Metrics and Node are required.
type Options struct {
	Cluster Cluster
	// Publish is that of an *events.Publisher.
	Publish func(context.Context, []events.Event) []events.Receipt
	// Full returns an error that says what to do when a topic takes no more events for now, else nil; nil: all always do.
	Full func(ctx context.Context, topic string) error
	// Look is events.Look on the node's store.
	Look func(ctx context.Context, topic string, after *events.Position, most int) (events.Excerpt, error)
	// Webhooks shows what became of events, and has them sent or forgotten.
	Webhooks *webhook.Operator
	// Send is that of a *websocket.Runner.
	Send    func(ctx context.Context, id string, data []byte, binary bool) (epoch int64, err error)
	Metrics http.Handler
	Node    string // the node's id; also a name under which it may be called
	Version string // of the program
	Prefix  string // of drm's keys in the store, to name them in full; default /drm/
	// AllowedHosts are further names under which the node may be called, each with or without a port. One that begins
	// with a dot stands for every name that ends with it. localhost and IP addresses always may.
	AllowedHosts []string
	Log          *slog.Logger // of what goes wrong in answering; nil: nowhere
}

// Cluster is what the HTTP side asks of the node. The first four are the methods of a *cluster.Loop, Commit is that of
// its store. All may be called concurrently.
type Cluster struct {
	Stats     func() cluster.Stats
	Info      func(context.Context) (cluster.ClusterInfo, error)
	Resource  func(context.Context, cluster.Key) (cluster.ResourceInfo, bool, error)
	Resources func(ctx context.Context, kind string, after cluster.Key, limit int) ([]cluster.ResourceInfo, error)
	Commit    func(context.Context, []cluster.Op) (cluster.Answer, error)
}

const (
	// askTimeout is how long a request may wait for the loop and the store.
	askTimeout = 5 * time.Second
	// maxAsking is how many requests may ask the loop at a time: it answers between its own turns, and
	// nobody who reads may keep it from renewing.
	maxAsking = 2
)

// New returns the handler of everything that a node serves. It may be used concurrently.
func New(o Options) http.Handler {
	s := &server{
		Options: o,
		asking:  make(chan struct{}, maxAsking), publishing: make(chan struct{}, maxPublishing), operating: make(chan struct{}, maxOperating),
		sending: make(chan struct{}, maxSending), looking: make(chan struct{}, maxLooking),
		// Without http.ProxyFromEnvironment: that is for what lies outside.
		between: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Second, MaxResponseHeaderBytes: maxAnswer},
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Prefix == "" {
		s.Prefix = "/drm/"
	}
	mux := http.NewServeMux()
	methods := map[string][]string{} // by path
	for _, r := range s.routes() {
		mux.HandleFunc(r.method()+" "+r.path, r.serve)
		methods[r.path] = append(methods[r.path], r.method())
	}
	for path, served := range methods {
		mux.HandleFunc(path, s.wrongMethod(served))
	}
	mux.HandleFunc("/", s.notFound)

	// Pages of other origins, in the browser of somebody who can reach this node, are not to change anything.
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(s.crossOrigin))
	return secured(newHostCheck(append([]string{o.Node}, o.AllowedHosts...), crossOrigin.Handler(mux)))
}

type server struct {
	Options
	asking     chan struct{}     // holds a place per request that asks the loop
	publishing chan struct{}     // and one per request that publishes
	operating  chan struct{}     // and one per request about deliveries
	sending    chan struct{}     // and one per message that is sent
	looking    chan struct{}     // and one per request that looks at a topic
	between    http.RoundTripper // to other nodes
}

// route is one thing that is served, for the mux and for the index.
type route struct {
	path  string // a pattern of http.ServeMux
	says  string
	serve http.HandlerFunc
	posts bool // it does something, so it is asked for with POST
}

func (r route) method() string {
	if r.posts {
		return http.MethodPost
	}
	return http.MethodGet
}

func (s *server) routes() []route {
	return []route{
		{"/{$}", "this list", s.index, false},
		{"/metrics", "metrics for Prometheus", s.Metrics.ServeHTTP, false},
		{"/healthz", "200 while the node itself works, whether or not etcd does; ?verbose lists each check", s.live, false},
		{"/livez", "the same, as Kubernetes names it", s.live, false},
		{"/-/healthy", "the same, as Prometheus names it", s.live, false},
		{"/readyz", "200 once the node holds a trusted lease and has made its first plan; ?verbose lists each check", s.ready, false},
		{"/-/ready", "the same, as Prometheus names it", s.ready, false},
		{"/v1/cluster", "the nodes, how much each holds, and what has no holder and why", s.asked(s.clusterInfo), false},
		{"/v1/resources", "resources and their holders, in pages; ?kind= ?limit= ?after=", s.asked(s.resources), false},
		{"/v1/resources/{kind}/{id}", "one resource: spec, holder, epoch, state, last error", s.asked(s.resource), false},
		{"/v1/resources/{kind}/{id}/retry", "try it again now, if it failed or was given up", s.asked(s.retry), true},
		{"/v1/resources/{kind}/{id}/send", "of a websocket: send the body as a message; answered when it is written to the connection", s.send, true},
		{"/v1/resources/{kind}/{id}/deliveries", "of a webhook: how far it is, what waits, is in doubt or dead; ?state= ?since= ?limit=", s.operated(s.deliveries), false},
		{"/v1/resources/{kind}/{id}/replay", "have a webhook send events now, whatever has happened to them", s.operated(s.decide(webhook.Replay)), true},
		{"/v1/resources/{kind}/{id}/drop", "have a webhook forget events that wait, are in doubt or dead", s.operated(s.decide(webhook.Drop)), true},
		{"/v1/events/{topic}", "the last events of a topic, or those after a position; ?after= ?limit=", s.look, false},
		{"/v1/events/{topic}", "publish an event, or a batch of CloudEvents; answered when etcd has it", s.publish, true},
	}
}

// asked makes a handler of a function that asks the loop or the store: its answer, or its error, is told as JSON.
func (s *server) asked(answer func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
		defer cancel()
		select {
		case s.asking <- struct{}{}:
			defer func() { <-s.asking }()
		case <-ctx.Done():
			s.refuse(w, problem{http.StatusServiceUnavailable, "others ask this node too; try again in a moment, or ask another node"})
			return
		}
		value, err := answer(r.WithContext(ctx))
		if err != nil {
			s.refuse(w, err)
			return
		}
		s.tell(w, http.StatusOK, value)
	}
}
