package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/cluster/clustertest"
)

// sim is a whole cluster in one bubble of virtual time: nodes that run the code that ships, a store with every
// fault that clustertest knows, a ledger that sees all runs from outside and an auditor that reads all that is written.
type sim struct {
	t      *testing.T
	rng    *rand.Rand
	memory *clustertest.Memory
	ledger *ledger
	group  sync.WaitGroup
	over   chan struct{} // closed when the simulation ends
	stop   context.CancelFunc

	nodes map[string]*simNode    // that run now, by name
	specs map[cluster.Key]string // what the user wants

	mu    sync.Mutex
	pids  []*simNode // every process there ever was; guarded by mu
	trace []line     // guarded by mu
}

// line is something that happened.
type line struct {
	at    cluster.Instant
	by    string
	rev   int64
	event cluster.Event // with the text as its Reason when it is none of a node's
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), memory: clustertest.NewMemory(seed),
		over: make(chan struct{}), nodes: map[string]*simNode{}, specs: map[cluster.Key]string{},
	}
	s.ledger = newLedger(s.memory)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.group.Go(func() { newAuditor(s.ledger).audit(ctx, s.memory.Client("auditor")) })
	return s
}

func resource(n int) cluster.Key { return cluster.Key{Kind: "x", ID: fmt.Sprintf("r%d", n)} }

func (s *sim) put(key cluster.Key, spec string) {
	s.specs[key] = spec
	s.memory.Put(cluster.ResourcePath(key), spec)
}

// putAll has the user put n resources.
func (s *sim) putAll(n int) {
	for i := range n {
		s.put(resource(i), "{}")
	}
}

func (s *sim) remove(key cluster.Key) {
	delete(s.specs, key)
	s.memory.Delete(cluster.ResourcePath(key))
}

func (s *sim) note(format string, args ...any) {
	s.keep("", cluster.Event{Reason: fmt.Sprintf(format, args...)})
}

func (s *sim) keep(by string, e cluster.Event) {
	rev := s.memory.Rev()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, line{s.memory.Now(), by, rev, e})
}

// events returns what a node has told of a type, all nodes for "".
func (s *sim) events(by string, of cluster.EventType) []cluster.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []cluster.Event
	for _, l := range s.trace {
		name, _, _ := strings.Cut(l.by, "#")
		if l.event.Type == of && (by == "" || by == name) {
			found = append(found, l.event)
		}
	}
	return found
}

func (l line) String() string {
	e := l.event
	at := fmt.Sprintf("%9.3fs rev %-4d %-5s", time.Duration(l.at).Seconds()-3600, l.rev, l.by)
	if e.Type == "" {
		return at + " ── " + e.Reason
	}
	text := fmt.Sprintf("%s %s", at, e.Type)
	for _, part := range []struct {
		set   bool
		shown string
	}{
		{e.Key.ID != "", e.Key.ID},
		{e.Epoch != 0, fmt.Sprint("epoch ", e.Epoch)},
		{e.Node != "", e.Node},
		{e.Reason != "", e.Reason},
		{e.Count != 0, fmt.Sprint("n=", e.Count)},
		{e.Err != nil, fmt.Sprint(e.Err)},
	} {
		if part.set {
			text += " " + part.shown
		}
	}
	return text
}

// check fails the test when something has gone wrong.
func (s *sim) check() {
	s.t.Helper()
	if problems := s.ledger.found(); len(problems) > 0 {
		s.fail(problems...)
	}
}

// fail fails the test with what went wrong first, then what happened to the resource concerned, and to no other. All nodes
// have ended by then: whoever reads the output is to see this and not the goroutines of a bubble left in the middle.
func (s *sim) fail(problems ...string) {
	s.t.Helper()
	s.abandon()
	s.t.Errorf("%d problems, the first: %s", len(problems), problems[0])
	for _, l := range s.trace {
		if id := l.event.Key.ID; id == "" || slices.Contains(strings.Fields(problems[0]), "x/"+id) {
			s.t.Log(l)
		}
	}
	s.t.FailNow()
}

// require fails the test unless something holds.
func (s *sim) require(holds bool, format string, args ...any) {
	s.t.Helper()
	s.check()
	if !holds {
		s.fail(fmt.Sprintf(format, args...))
	}
}

// end has all nodes leave in order, and fails the test when something went wrong up to the last moment; synctest does when a
// goroutine is left.
func (s *sim) end() {
	s.t.Helper()
	for _, n := range s.pids {
		n.leave()
	}
	close(s.over)
	for _, n := range s.pids {
		<-n.ended
	}
	s.stop()
	s.group.Wait()
	if problems := s.ledger.found(); len(problems) > 0 {
		s.over = nil
		s.fail(problems...)
	}
}

// abandon ends everything at once.
func (s *sim) abandon() {
	if s.over != nil {
		close(s.over)
	}
	for _, n := range s.pids {
		s.ledger.kill(n.process, false)
		n.cut()
	}
	s.stop()
	s.group.Wait()
}
