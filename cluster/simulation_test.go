package cluster_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

var (
	seeds     = flag.Int("sim.seeds", 12, "how many whole-cluster simulations to run")
	firstSeed = flag.Uint64("sim.first", 1, "the seed of the first one")
)

const electionOfMemory = time.Second

// sim is a whole cluster in one bubble of virtual time: nodes that run the code that ships, a store with every
// fault that clustertest knows, and a ledger that sees all runs from outside.
type sim struct {
	t      *testing.T
	rng    *rand.Rand
	memory *clustertest.Memory
	ledger *ledger
	group  sync.WaitGroup

	nodes map[string]*simNode
	specs map[cluster.Key]string // what the user wants

	mu    sync.Mutex
	pids  []*simNode // every process there ever was; guarded by mu
	trace []string   // guarded by mu
}

// simNode is one process of a node, with its supervisor.
type simNode struct {
	process *process
	client  *clustertest.Client
	loop    *cluster.Loop
	leave   context.CancelFunc
	abort   chan struct{}

	mu      sync.Mutex
	guarded cluster.Guarded // guarded by mu
}

func newSim(t *testing.T, seed uint64) *sim {
	return &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), memory: clustertest.NewMemory(seed), ledger: newLedger(),
		nodes: map[string]*simNode{}, specs: map[cluster.Key]string{},
	}
}

// start begins a process of a node under a connection of its own.
func (s *sim) start(name string) {
	pid := len(s.pids)
	n := &simNode{process: &process{name: fmt.Sprintf("%s#%d", name, pid)}, abort: make(chan struct{})}
	s.mu.Lock()
	s.pids = append(s.pids, n)
	s.mu.Unlock()
	n.client = s.memory.Client(n.process.name)
	loop, err := cluster.New(cluster.Config{
		Self:    cluster.Node{ID: name, Life: cluster.Life{Machine: name, PID: pid}},
		Store:   n.client,
		Clock:   n.client.Clock,
		Runners: map[string]cluster.Runner{"x": &slowRunner{n.process, s.ledger, 900 * time.Millisecond}},
		Abort:   n.abort,
		Judge:   func(l cluster.Life) cluster.Verdict { return s.judge(l) },
		Observe: func(e cluster.Event) { s.record(n, e) },
		Guard: func(g cluster.Guarded) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.guarded = g
		},
		Exit: func(err error) {
			s.note("%s exits: %v", n.process.name, err)
			s.ledger.kill(n.process)
			runtime.Goexit() // the rest of the process is ended by reap
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.Background())
	n.loop, n.leave = loop, leave
	s.nodes[name] = n
	s.group.Go(func() {
		if err := loop.Run(ctx); err != nil {
			s.note("%s ends: %v", n.process.name, err)
		}
		s.ledger.kill(n.process)
	})
}

// judge looks at an earlier process of the same machine; sometimes it can't tell.
func (s *sim) judge(l cluster.Life) cluster.Verdict {
	s.mu.Lock()
	other := s.pids[l.PID]
	s.mu.Unlock()
	switch {
	case l.PID%3 == 0:
		return cluster.Unknown
	case s.ledger.isDead(other.process):
		return cluster.Dead
	}
	return cluster.Alive
}

// crash ends a process in an instant. With a supervisor its leases are revoked at once, else they expire.
func (s *sim) crash(name string, supervised bool) {
	n := s.nodes[name]
	delete(s.nodes, name)
	s.note("%s crashes, supervised %v", n.process.name, supervised)
	s.ledger.kill(n.process)
	n.client.Cut(true)
	close(n.abort)
	n.leave()
	if !supervised {
		return
	}
	n.mu.Lock()
	g := n.guarded
	n.mu.Unlock()
	s.group.Go(func() {
		for i := range g.Leases {
			s.memory.RevokeLease(g.Term.Lease(i))
		}
	})
}

// reap ends what is left of processes that ended themselves; no supervisor was there to revoke their leases.
func (s *sim) reap() {
	for name, n := range s.nodes {
		if s.ledger.isDead(n.process) {
			s.crash(name, false)
		}
	}
}

// shutdown has a node leave in order. It may be drained for a while.
func (s *sim) shutdown(name string) {
	n := s.nodes[name]
	delete(s.nodes, name)
	s.note("%s is told to leave", n.process.name)
	n.leave()
}

func (s *sim) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf("%9.3fs ", time.Duration(s.memory.Now()).Seconds()-3600)+fmt.Sprintf(format, args...))
}

func (s *sim) record(n *simNode, e cluster.Event) {
	s.note("%-6s rev %d %s %s epoch %d %s %s n=%d gap %v %v", n.process.name, s.memory.Rev(), e.Type, e.Key.ID, e.Epoch, e.Node, e.Reason, e.Count, e.Gap, e.Err)
}

// report fails the test with what went wrong and the trace around the resources concerned.
func (s *sim) report(problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _, _ := strings.Cut(strings.TrimPrefix(problems[0], "x/"), " ")
	for _, line := range s.trace {
		if !strings.Contains(line, "epoch") || strings.Contains(line, " "+id+" ") || strings.Contains(line, "term") {
			s.t.Log(line)
		}
	}
	s.t.Fatalf("%d problems, the first: %s", len(problems), problems[0])
}

func (s *sim) put(key cluster.Key, spec string) {
	s.specs[key] = spec
	s.memory.Put(cluster.ResourcePath(key), spec)
}

func (s *sim) remove(key cluster.Key) {
	delete(s.specs, key)
	s.memory.Delete(cluster.ResourcePath(key))
}

func (s *sim) pick() string {
	names := make([]string, 0, len(s.nodes))
	for name := range s.nodes {
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return names[s.rng.IntN(len(names))]
}

func (s *sim) key() cluster.Key {
	return cluster.Key{Kind: "x", ID: fmt.Sprintf("r%d", s.rng.IntN(40))}
}

// calm takes all faults away and waits until everything that should be held is. Promise 5 gives it a bounded time.
func (s *sim) calm(names []string) {
	s.note("calm")
	s.reap()
	s.memory.Adjust(func(set *clustertest.Settings) {
		set.ExpiryDelay, set.FalseAcks, set.Full = clustertest.Span{Max: 500 * time.Millisecond}, 0, false
	})
	for _, n := range s.nodes {
		n.client.Adjust(func(n *clustertest.Network) {
			*n = clustertest.Network{Request: clustertest.Span{Max: 2 * time.Millisecond}}
		})
		n.client.Drift(1)
	}
	for key, spec := range s.specs {
		if strings.Contains(spec, "paused") || strings.Contains(spec, "invalid") || strings.Contains(spec, "flaky") {
			s.put(key, "{}")
		}
	}
	for _, name := range names {
		s.memory.Delete(cluster.CordonPath(name))
	}
	time.Sleep(30 * time.Second)
	s.reap()
	for _, name := range names { // a process that ended by itself is started again, as systemd would
		if s.nodes[name] == nil {
			s.start(name)
		}
	}
	time.Sleep(60 * time.Second)
	var missing []string
	held := s.ledger.heldBy()
	for key := range s.specs {
		if held[key] == "" {
			missing = append(missing, key.String()+" is held by nobody a minute after all faults ended")
		}
	}
	for key := range held {
		if _, wanted := s.specs[key]; !wanted {
			missing = append(missing, key.String()+" is held though it was removed")
		}
	}
	if len(missing) > 0 {
		s.report(missing)
	}
	s.balanced(held, names)
}

func (s *sim) balanced(held map[cluster.Key]string, names []string) {
	count := map[string]int{}
	for _, name := range names {
		count[s.nodes[name].process.name] = 0
	}
	for _, by := range held {
		count[by]++
	}
	least, most := len(held), 0
	for _, n := range count {
		least, most = min(least, n), max(most, n)
	}
	if most-least > 1 {
		s.report([]string{fmt.Sprintf("the spread is %d: %v", most-least, count)})
	}
}

// end stops all nodes; synctest fails the test when a goroutine is left.
func (s *sim) end() {
	for _, n := range s.nodes {
		n.leave()
	}
	s.group.Wait()
}

func (s *sim) verdict() {
	s.ledger.mu.Lock()
	problems := slices.Clone(s.ledger.problems)
	s.ledger.mu.Unlock()
	if len(problems) > 0 {
		s.report(problems)
	}
}

func TestSimulation(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	s := newSim(t, seed)
	names := []string{"a", "b", "c", "d", "e"}[:2+s.rng.IntN(4)]
	for i := range 30 {
		s.put(cluster.Key{Kind: "x", ID: fmt.Sprintf("r%d", i)}, "{}")
	}
	for _, name := range names {
		s.start(name)
	}
	for range 3 {
		for range 25 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(3 * time.Second))))
			s.fault(names)
			s.verdict()
		}
		s.calm(names)
		s.verdict()
	}
	s.end()
	s.verdict()
	t.Logf("%d runs on %d nodes, revision %d", s.ledger.runs, len(names), s.memory.Rev())
}

// fault makes one thing go wrong, or has a user or an operator do something.
func (s *sim) fault(names []string) {
	s.reap()
	name := s.pick()
	if name == "" || len(s.nodes) < len(names) && s.rng.IntN(3) == 0 {
		for _, name := range names {
			if s.nodes[name] == nil {
				s.start(name)
				return
			}
		}
	}
	n := s.nodes[name]
	switch s.rng.IntN(20) {
	case 0, 1, 2:
		n.client.Adjust(func(net *clustertest.Network) { *net = clustertest.Rough(s.rng) })
		s.note("%s has a rough connection", n.process.name)
	case 3:
		n.client.Cut(true)
		s.note("%s is cut off", n.process.name)
	case 4:
		n.client.Adjust(func(net *clustertest.Network) { net.CutAnswers = true })
		s.note("%s gets no answers", n.process.name)
	case 5, 6, 7:
		n.client.Adjust(func(net *clustertest.Network) { *net = clustertest.Network{} })
		s.note("%s is mended", n.process.name)
	case 8:
		s.crash(name, s.rng.IntN(2) == 0)
	case 9:
		s.shutdown(name)
	case 10:
		n.client.Drift(0.99 + 0.02*s.rng.Float64())
	case 11:
		n.client.Jump(time.Duration(s.rng.Int64N(int64(10 * time.Second))))
		s.note("%s was suspended", n.process.name)
	case 12:
		s.memory.ChangeLeader(time.Duration(s.rng.Int64N(int64(2 * time.Second))))
		s.note("leader changes")
	case 13:
		s.memory.Stall(time.Duration(s.rng.Int64N(int64(6 * time.Second))))
		s.note("store stalls")
	case 14:
		s.memory.Compact()
	case 15:
		s.memory.Adjust(func(set *clustertest.Settings) {
			set.ExpiryDelay = clustertest.Span{Max: time.Duration(s.rng.Int64N(int64(4 * time.Second)))}
			set.FalseAcks = s.rng.Float64() / 2
		})
	default:
		s.use()
	}
}

// use is what users do.
func (s *sim) use() {
	key := s.key()
	spec := []string{"{}", `{"flaky":true}`, `{"paused":true}`, `{"invalid":true}`, `{"weight":1,"n":2}`}[s.rng.IntN(5)]
	if s.specs[key] != "" && s.rng.IntN(4) == 0 {
		s.note("user removes %s", key)
		s.remove(key)
		return
	}
	s.note("user puts %s %s", key, spec)
	s.put(key, spec)
}
