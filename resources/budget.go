package resources

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ConnectLimit is the "connect_limit" field of a spec: how fast, and how many, connections of a group may be made by the whole
// cluster together.
type ConnectLimit struct {
	Group          string `json:"group"` // empty: the host and port that is connected to
	Rate           Rate   `json:"rate"`
	Burst          int    `json:"burst" min:"1" max:"100000"`             // that may be made at once, after a time without any
	MaxConnections int    `json:"max_connections" min:"0" max:"10000000"` // open at a time; 0: any number
}

// DefaultConnectLimit returns what holds for a spec that says nothing: no limit.
func DefaultConnectLimit() ConnectLimit { return ConnectLimit{Burst: 5} }

// None tells that there is nothing to wait for.
func (l ConnectLimit) None() bool { return l.Rate == Rate{} && l.MaxConnections == 0 }

// Budgets hand out a node's part of what a cluster may connect, a group at a time and in the order of asking. There is no leader
// and no message: each node takes an equal part, going by how many nodes it sees.
//
//	whole cluster: burst + rate × time  =  nodes × (burst/nodes + rate/nodes × time)
//
// In any span of time no more connections are granted than that, of nodes that see as many nodes as there are; for the moment in
// which some have not seen a change yet, a node's part more or less. A part may be smaller than one connection: it then adds up while
// somebody waits. A node that has just started has used up its burst, since its process before may have. The connections of one
// backlog don't keep step with those of other nodes, which saw the same node die: its beginning is drawn from a whole interval.
//
// It is a token bucket (Turner, "New directions in communications", 1986). golang.org/x/time/rate is another, but gives out turns that
// stay as they are when the rate changes, as it does here with each node that comes or goes, and counts its burst in whole numbers.
//
// All methods may be called concurrently.
type Budgets struct {
	nodes func() int
	meter Meter
	began time.Time

	mu      sync.Mutex
	groups  map[string]*budget
	sweepAt int // with so many groups those are forgotten that nothing is known of
}

// budget is what is known of one group.
type budget struct {
	level float64   // how many connections may be made now; below 0, how many too many
	at    time.Time // as of when, and
	each  float64   // how much comes together in a second, and
	full  float64   // how much at the most: for whoever came last
	line  []*turn   // in the order of asking
	eased bool      // the backlog that there is has been put off
	open  int       // of those that were granted with a MaxConnections
}

// turn is one that waits.
type turn struct {
	group string
	limit ConnectLimit
	wake  chan struct{} // the one before has gone
}

// lookAgain is how long at the most the first in a line sleeps: the number of nodes may have changed.
const lookAgain = time.Second

// NewBudgets returns the budgets of a node that has just started. nodes returns how many nodes there are, as this one sees it; it must
// not block.
func NewBudgets(nodes func() int, m Meter) *Budgets {
	return &Budgets{nodes: nodes, meter: m, began: time.Now(), groups: map[string]*budget{}, sweepAt: 64}
}

// Enter returns when one more connection of a group may be made, or with the cause when ctx ends before that. If it has to wait it first
// calls waits, once. leave must be called when the connection is over, or was not made.
func (b *Budgets) Enter(ctx context.Context, group string, limit ConnectLimit, waits func()) (leave func(), err error) {
	if limit.None() {
		return func() {}, nil
	}
	t := b.line(group, limit)
	wait := b.advance(t)
	if wait > 0 {
		waits()
	}
	for began := time.Now(); wait > 0; wait = b.advance(t) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-t.wake:
		case <-ctx.Done():
			b.withdraw(t)
			err = Cause(ctx)
		}
		timer.Stop()
		b.meter.Throttle(time.Since(began))
		began = time.Now()
		if err != nil {
			return nil, err
		}
	}
	if limit.MaxConnections == 0 {
		return func() {}, nil
	}
	return sync.OnceFunc(func() { b.leave(t) }), nil
}

// line puts a new turn at the end of its group's line.
func (b *Budgets) line(group string, limit ConnectLimit) *turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	g := b.groups[group]
	if g == nil {
		b.sweep(now)
		g = &budget{at: b.began}
		b.groups[group] = g
	}
	if len(g.line) == 0 {
		g.eased = false
		g.fill(now, limit, float64(b.count()), false)
	}
	t := &turn{group: group, limit: limit, wake: make(chan struct{}, 1)}
	g.line = append(g.line, t)
	if len(g.line) > 1 && !g.eased {
		g.eased = true
		g.level -= rand.Float64()
	}
	return t
}

// advance returns 0 if it is the turn of t, who is in the line no more then; else how long to wait before asking again.
func (b *Budgets) advance(t *turn) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[t.group]
	if g.line[0] != t {
		return time.Hour // the one before wakes it
	}
	nodes := b.count()
	if most := t.limit.MaxConnections; most > 0 && g.open >= max(1, most/nodes) {
		return lookAgain
	}
	if t.limit.Rate != (Rate{}) {
		g.fill(time.Now(), t.limit, float64(nodes), true)
		if missing := 1 - g.level; missing > tiny {
			return min(lookAgain, time.Duration(missing/g.each*float64(time.Second))+1)
		}
		g.level--
	}
	if t.limit.MaxConnections > 0 {
		g.open++
	}
	g.remove(t)
	return 0
}

// tiny is what rounding may leave of a connection.
const tiny = 1e-9

// fill adds what has come together since it was last looked at, with the limit of whoever comes next.
func (g *budget) fill(now time.Time, limit ConnectLimit, nodes float64, awaited bool) {
	g.each, g.full = limit.Rate.PerSecond()/nodes, float64(limit.Burst)/nodes
	if awaited {
		g.full = max(g.full, 1)
	}
	g.level, g.at = g.levelAt(now), now
}

func (g *budget) levelAt(now time.Time) float64 {
	return min(g.level+now.Sub(g.at).Seconds()*g.each, g.full)
}

// remove takes a turn out of the line.
func (g *budget) remove(t *turn) {
	i := slices.Index(g.line, t)
	if g.line[i] = nil; i == 0 {
		g.line = g.line[1:] // the usual case, of thousands
	} else {
		g.line = slices.Delete(g.line, i, i+1)
	}
	g.rouse()
}

// rouse lets the first in the line look.
func (g *budget) rouse() {
	if len(g.line) == 0 {
		return
	}
	select {
	case g.line[0].wake <- struct{}{}:
	default:
	}
}

func (b *Budgets) withdraw(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups[t.group].remove(t)
}

func (b *Budgets) leave(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[t.group]
	g.open--
	g.rouse()
}

// sweep forgets, now and then, the groups of which there is nothing to remember.
func (b *Budgets) sweep(now time.Time) {
	if len(b.groups) < b.sweepAt {
		return
	}
	for name, g := range b.groups {
		if len(g.line) == 0 && g.open == 0 && g.levelAt(now) >= g.full {
			delete(b.groups, name)
		}
	}
	b.sweepAt = max(64, 2*len(b.groups))
}

func (b *Budgets) count() int { return max(1, b.nodes()) }
