package cluster

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// planSim is many views over one linearizable log, with deliveries, requests and answers that take their time: what the plan
// is worth when nobody sees the same at the same moment. Runners, leases and trust are left to the simulation of
// the whole loop.
type planSim struct {
	*world
	t     *testing.T
	rng   *rand.Rand
	now   Instant
	queue agenda
	made  int
	nodes []*simulated
	lag   time.Duration // deliveries take up to so long

	offer func(*Node) // what nodes say of themselves beside their ids

	bids, lost, moves int
	moved             map[Key]int
	settledAt         Instant // when the last claim was made
}

// simulated is a node of a planSim.
type simulated struct {
	sim     *planSim
	id      string
	knows   []int // versions of the planner
	v       *view
	arrives Instant // when what was last sent to it arrives
	sent    int64   // revision sent to it
	flying  int
	alarm   Instant // when it wakes up by itself
	moving  map[Key]bool
	stuck   bool // alive, and never bids nor gives
	gone    bool
	stalled bool // its watch brings nothing
}

// agenda is what is going to happen, soonest first and in the order of its making.
type agenda []happening

type happening struct {
	at    Instant
	order int
	do    func()
}

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].order, a[j].order)) < 0
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(h any)   { *a = append(*a, h.(happening)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newPlanSim(t *testing.T, seed uint64) *planSim {
	return &planSim{
		world: newWorld(), t: t, rng: rand.New(rand.NewPCG(seed, 9)), now: Instant(time.Hour),
		lag: 50 * time.Millisecond, moved: map[Key]int{}, offer: func(*Node) {},
	}
}

// after has something happen between least and most from now.
func (s *planSim) after(least, most time.Duration, do func()) {
	s.at(s.now.Add(least+time.Duration(s.rng.Int64N(int64(most-least)+1))), do)
}

func (s *planSim) at(at Instant, do func()) {
	s.made++
	heap.Push(&s.queue, happening{at, s.made, do})
}

// run lets time pass.
func (s *planSim) run(d time.Duration) {
	end := s.now.Add(d)
	for len(s.queue) > 0 && s.queue[0].at <= end {
		h := heap.Pop(&s.queue).(happening)
		s.now = h.at
		h.do()
		s.deliver()
	}
	s.now = end
}

// start has a node list, then register.
func (s *planSim) start(id string) *simulated {
	n := &simulated{sim: s, id: id, moving: map[Key]bool{}}
	s.nodes = append(s.nodes, n)
	node := Node{ID: id, Planners: planners}
	s.offer(&node)
	n.knows = node.Planners
	n.list()
	s.after(time.Millisecond, 10*time.Millisecond, func() { s.join(node) })
	var progress func()
	progress = func() {
		if !n.gone {
			n.send(Batch{Rev: n.sent, Fresh: s.now})
			s.after(100*time.Millisecond, 100*time.Millisecond, progress)
		}
	}
	progress()
	return n
}

// list has a node begin with a new view, or go on after a compaction.
func (n *simulated) list() {
	if n.v == nil {
		n.v = newView(n.id)
		n.v.knows = n.knows
	}
	n.sim.listTo(n.v, 500, n.sim.now)
	n.sent = n.sim.rev
}

// deliver sends every node what was committed since, each revision with its own lag but in order.
func (s *planSim) deliver() {
	for _, n := range s.nodes {
		for n.sent < s.rev && !n.gone && !n.stalled {
			n.send(Batch{Records: s.log[n.sent], Rev: n.sent + 1})
			n.sent++
		}
	}
}

func (n *simulated) send(b Batch) {
	s := n.sim
	if n.stalled {
		return
	}
	n.arrives = max(n.arrives, s.now.Add(time.Millisecond+time.Duration(s.rng.Int64N(int64(s.lag)))))
	s.at(n.arrives, func() {
		if !n.gone {
			n.v.fold(b, s.now, ignore)
			n.turn()
		}
	})
}

// turn is what a loop does after each input.
func (n *simulated) turn() {
	v, now := n.v, n.sim.now
	if n.gone || n.stuck {
		return
	}
	if v.replanDue(now) {
		v.replan(now)
	}
	for n.flying < 8 {
		due := v.dueBids(now, 120)
		if len(due) == 0 {
			break
		}
		n.bid(due)
	}
	for _, m := range v.balance(now, len(n.moving), func(s *slot) bool { return !n.moving[s.key] }) {
		n.give(m.slot, m.to)
	}
	if me := v.peer(n.id); me != nil && me.Leaving {
		for s := range me.held.all() {
			if s.target != nil && !n.moving[s.key] && s.lease.Term() == me.Term && len(n.moving) < maxInFlight && v.credit(s.target) > 0 {
				n.give(s, s.target)
			}
		}
	}
	if me := v.peer(n.id); me != nil && me.onIntake > 900 {
		n.sim.change(n.id, func(node *Node) { node.Intake.Lease++ })
	}
	if at, ok := v.nextBid(now); ok && (n.alarm <= now || at < n.alarm) {
		n.alarm = at
		n.sim.at(at, n.turn)
	}
}

// bid asks for some resources in one request.
func (n *simulated) bid(due []*slot) {
	s := n.sim
	asked := s.now
	keys := make([]Key, len(due))
	for i, d := range due {
		d.asked = true
		keys[i] = d.key
	}
	n.flying++
	s.after(time.Millisecond, 10*time.Millisecond, func() {
		if n.gone || s.terms[n.id] != n.v.peerTerm(n.id) {
			return
		}
		won := s.claim(n.id, keys...)
		if s.bids, s.lost = s.bids+len(keys), s.lost+len(keys)-won; won > 0 {
			s.settledAt = s.now
		}
		answer := s.answer(keys)
		rev := s.rev
		s.after(time.Millisecond, 10*time.Millisecond, func() {
			n.flying--
			n.v.foldAnswer(answer, s.now, ignore)
			for _, d := range due {
				n.v.bidAnswered(d, s.now.Sub(asked), rev)
			}
			n.turn()
		})
	})
}

// answer returns what a request reads of claims.
func (s *planSim) answer(keys []Key) []Record {
	var records []Record
	for _, k := range keys {
		if r, ok := s.keys[ClaimPath(k)]; ok {
			records = append(records, r)
		} else {
			records = append(records, Record{Path: ClaimPath(k), Rev: s.rev, Deleted: true})
		}
	}
	return records
}

// give hands a resource off, guarded by its claim and by the receiver's key.
func (n *simulated) give(sl *slot, to *peer) {
	s, k, epoch, seen := n.sim, sl.key, sl.claim, to.rev
	n.moving[k] = true
	s.after(2*time.Millisecond, 20*time.Millisecond, func() {
		if s.keys[ClaimPath(k)].Rev == epoch && s.keys[NodePath(to.id)].Rev == seen && !n.gone {
			s.handOff(k, to.id)
			s.moves++
			s.moved[k]++
		}
		answer := s.answer([]Key{k})
		s.after(time.Millisecond, 10*time.Millisecond, func() {
			delete(n.moving, k)
			n.v.foldAnswer(answer, s.now, ignore)
			n.turn()
		})
	})
}

func (v *view) peerTerm(id string) TermID {
	if p := v.peer(id); p != nil {
		return p.Term
	}
	return 0
}

// state returns how many claims each living node has, and how many resources have none.
func (s *planSim) state() (held map[string]int, unheld int) {
	held = map[string]int{}
	for _, n := range s.nodes {
		if !n.gone {
			held[n.id] = len(s.claimsOf(n.id))
		}
	}
	for path := range s.keys {
		if place, err := ParsePath(path); err == nil && place.Family == "resources" {
			if _, ok := s.keys[ClaimPath(place.Key)]; !ok {
				unheld++
			}
		}
	}
	return held, unheld
}

func (s *planSim) add(from, to int) {
	for i := from; i < to; i++ {
		s.put(ResourcePath(key(i)), spec(1), 0)
	}
}

func (s *planSim) boot(n int) {
	for i := range n {
		s.start(fmt.Sprintf("n%d", i))
	}
}
