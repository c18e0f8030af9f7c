package redis

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// site tells hubs apart: resources of the same site share a connection. It holds secrets, so it is not to be printed.
type site struct {
	place       redisconn.Place
	addr        string // of a node that its cluster has named; "": where place leads
	dialTimeout cluster.Duration
	ping        pingSpec
	reconnect   reconnectSpec
	limit       resources.ConnectLimit
	own         *hold // the only one, if it does not share; nil: all who do
}

func siteOf(h *hold, addr string) site {
	s := site{
		place: h.spec.Place(), addr: addr, dialTimeout: h.spec.DialTimeout,
		ping: h.spec.Ping, reconnect: h.spec.Reconnect, limit: h.spec.ConnectLimit,
	}
	if !h.spec.ShareConnection {
		s.own = h
	}
	return s
}

// hub keeps one connection, and tells those that subscribe there what comes in. It lasts as long as somebody does, and is
// locked before any hold.
type hub struct {
	*Runner
	site
	target  redisconn.Target
	group   string // of the connect_limit
	users   int    // protected by Runner.mu
	stop    context.CancelFunc
	done    chan struct{} // closed when nothing of it runs any more
	backoff resources.Backoff
	shown   string // the state in the figures; owned by the goroutine of run

	mu     sync.Mutex
	topics map[topic][]*sub // who follows what; a list is never changed, but replaced
	live   map[topic]bool   // confirmed on the connection there is
	line   *line            // to send over; nil: there is no connection
	shows  cluster.Condition
	limits redisconn.Limits // of whoever takes most
	gone   error            // why nobody may subscribe here any more
	heard  time.Time        // when the server last was
}

// hub returns the hub of a site, which the caller must give back. It is begun if there is none.
func (r *Runner) hub(ctx context.Context, at site, s *spec, failures int) *hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.hubs[at]
	if u == nil {
		ctx, stop := context.WithCancel(ctx)
		u = &hub{
			Runner: r, site: at, target: s.Target, group: s.group(), stop: stop, done: make(chan struct{}),
			backoff: s.Reconnect.backoff(failures), topics: map[topic][]*sub{}, live: map[topic]bool{},
			shows: cluster.Condition{State: resources.StateConnecting},
		}
		r.hubs[at] = u
		go u.run(ctx)
	}
	u.users++
	return u
}

// unhub gives a hub back. The last one ends it and waits for that.
func (r *Runner) unhub(u *hub) {
	r.mu.Lock()
	u.users--
	last := u.users == 0
	if last {
		r.forget(u)
	}
	r.mu.Unlock()
	if last {
		u.stop()
		<-u.done
	}
}

// forget makes sure that nobody else finds the hub. The caller has locked.
func (r *Runner) forget(u *hub) {
	if r.hubs[u.site] == u {
		delete(r.hubs, u.site)
	}
}

// add subscribes.
func (u *hub) add(s *sub) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.widen(s.hold.spec.limits())
	subs, asked := u.topics[s.topic]
	switch {
	case u.gone != nil:
		s.refuse(u.gone, u.heard)
		return
	case u.live[s.topic]:
		s.went(time.Now())
	case u.line == nil:
		s.down(u.shows, u.heard)
	}
	u.topics[s.topic] = append(slices.Clip(subs), s)
	if !asked {
		u.say(command{verb: subscribe, topic: s.topic})
	}
}

// remove ends a subscription. Unless a message is being handed to it at this moment, it gets no more.
func (u *hub) remove(s *sub) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.topics[s.topic], s)
	if i < 0 {
		return // it was refused
	}
	if left := slices.Delete(slices.Clone(u.topics[s.topic]), i, i+1); len(left) > 0 {
		u.topics[s.topic] = left
		return
	}
	delete(u.topics, s.topic)
	delete(u.live, s.topic)
	u.say(command{verb: unsubscribe, topic: s.topic})
}

// widen takes as much as the one who takes most.
func (u *hub) widen(l redisconn.Limits) {
	u.limits.String, u.limits.Reply = max(u.limits.String, l.String), max(u.limits.Reply, l.Reply)
	if u.line != nil {
		u.line.conn.SetLimits(u.limits)
	}
}

// say has a command sent, if there is a connection. On a new one everything is subscribed to anyway.
func (u *hub) say(c command) {
	if u.line != nil {
		u.line.say(c)
	}
}

// server is the address of the server, as far as that is known.
func (u *hub) server() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.line != nil {
		return u.line.conn.Addr
	}
	return u.site.addr
}

// each calls f for every sub. The caller has locked.
func (u *hub) each(f func(*sub)) {
	for _, subs := range u.topics {
		for _, s := range subs {
			f(s)
		}
	}
}

// run keeps the connection until ctx ends, which is when the last one has left. The connection to a node that a cluster has named is
// made once: when it is over, the cluster may have moved what was there.
func (u *hub) run(ctx context.Context) {
	defer close(u.done)
	defer u.meterAs("")
	for {
		why, worked := u.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if u.site.addr != "" {
			u.giveUp(why.err)
			<-ctx.Done() // those who were here take their leave
			return
		}
		delay := u.reconnect.delay(why, &u.backoff, worked)
		u.logged().Warn("connection lost", "state", why.state, "retry_in", delay.Round(time.Millisecond), "err", why.err)
		u.tell(cluster.Condition{
			State: why.state, Err: why.err, Attempts: u.backoff.Failures, NextTry: time.Now().Add(delay),
		})
		if resources.Wait(ctx, delay) != nil {
			return
		}
	}
}

func (u *hub) logged() *slog.Logger {
	return u.log.With("kind", Kind, "server", u.target.String())
}

// meterAs shows the connection in a state.
func (u *hub) meterAs(state string) {
	u.meter.Connection(Kind, u.shown, state)
	u.shown = state
}

// tell tells all who are here, and who comes, how the connection is.
func (u *hub) tell(c cluster.Condition) {
	u.meterAs(c.State)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.shows = c
	u.each(func(s *sub) { s.down(c, u.heard) })
}

// trying tells that the connection is being made. The trouble is that of the attempt before, until this one is better.
func (u *hub) trying(state string) {
	u.meterAs(state)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.shows.State, u.shows.NextTry = state, time.Time{}
	u.each(func(s *sub) { s.hold.showTrying(state) })
}

// giveUp sends everybody away.
func (u *hub) giveUp(why error) {
	u.Runner.mu.Lock()
	u.forget(u)
	u.Runner.mu.Unlock()
	u.meterAs("")
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gone = why
	u.each(func(s *sub) { s.refuse(why, u.heard) })
	clear(u.topics)
}
