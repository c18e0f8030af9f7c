package cluster

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios come to into their files")

// Scenarios are read like a conversation: what happens behind ">", and below it what the plan makes of it. All nodes see
// everything at once, and must agree on every target all the time.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScenario(t).play(string(text))
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, text) {
				t.Errorf("the plan differs from %s; it is now:\n%s", file, got)
			}
		})
	}
}

// scenario is a cluster in which all see everything at once and time passes only when told.
type scenario struct {
	*world
	t     *testing.T
	now   Instant
	views map[string]*view // by node; the one of "" only looks on
	out   bytes.Buffer
}

func newScenario(t *testing.T) *scenario {
	s := &scenario{world: newWorld(), t: t, now: Instant(time.Hour), views: map[string]*view{}}
	s.watch("")
	return s
}

// play carries out the commands in a text and returns it with the answers as they are now.
func (s *scenario) play(text string) []byte {
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "> ")
		if strings.HasPrefix(line, "#") || line == "\n" || isCommand {
			s.out.WriteString(line)
		}
		if !isCommand {
			continue
		}
		words := strings.Fields(command)
		do := commands[words[0]]
		if do == nil {
			s.t.Fatalf("unknown command %q", words[0])
		}
		do(s, words[1:])
		s.sync()
	}
	return s.out.Bytes()
}

func (s *scenario) watch(id string) {
	v := newView(id)
	s.listTo(v, 100, s.now)
	s.views[id] = v
}

// sync has all views catch up, and compares them.
func (s *scenario) sync() {
	s.t.Helper()
	want := s.views[""]
	s.feed(want, s.rev, 1, s.now)
	audit(s.t, want)
	for id, v := range s.views {
		s.feed(v, s.rev, 1000, s.now)
		if got, want := targets(v), targets(want); !v.dirty && !maps.Equal(got, want) {
			s.t.Errorf("%s plans %v, who looks on plans %v", id, got, want)
		}
	}
}

func (s *scenario) ids() []string { return slices.Sorted(maps.Keys(s.views)) }

func (s *scenario) printf(format string, args ...any) { fmt.Fprintf(&s.out, format, args...) }

var commands = map[string]func(*scenario, []string){
	"node":     (*scenario).node,
	"resource": (*scenario).resource,
	"wait":     (*scenario).wait,
	"bid":      (*scenario).bid,
	"balance":  func(s *scenario, _ []string) { s.balance() },
	"handoff":  (*scenario).handOffAll,
	"show":     func(s *scenario, _ []string) { s.show() },
	"spec": func(s *scenario, args []string) {
		s.commit(Record{Path: ResourcePath(parseKey(args[0])), Value: []byte(strings.Join(args[1:], " "))})
	},
	"remove":  func(s *scenario, args []string) { s.remove(ResourcePath(parseKey(args[0]))) },
	"unclaim": func(s *scenario, args []string) { s.remove(ClaimPath(parseKey(args[0]))) },
	"claim":   func(s *scenario, args []string) { s.claim(args[0], parseKey(args[1])) },
	"die":     func(s *scenario, args []string) { s.remove(NodePath(args[0])) },
	"cordon":  func(s *scenario, args []string) { s.put(CordonPath(args[0]), "maintenance", 0) },
	"drain":   func(s *scenario, args []string) { s.put(CordonPath(args[0]), Cordon{Drain: true}, 0) },
	"uncordon": func(s *scenario, args []string) {
		s.remove(CordonPath(args[0]))
	},
	"leave": func(s *scenario, args []string) {
		s.change(args[0], func(n *Node) { n.Leaving = true })
	},
	"expire": func(s *scenario, args []string) { // all claims of a node that has died, or those named
		paths := s.claimsOf(args[0])
		if len(args) > 1 {
			paths = []string{ClaimPath(parseKey(args[1]))}
		}
		s.remove(paths...)
	},
}

func parseKey(text string) Key {
	kind, id, _ := strings.Cut(text, "/")
	return Key{Kind: kind, ID: id}
}

// node takes: id, then any of weight=, capacity=, kinds=, zone=, planners=.
func (s *scenario) node(args []string) {
	n := Node{ID: args[0]}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "weight":
			n.Weight = number
		case "capacity":
			n.Capacity = &number
		case "kinds":
			n.Kinds = strings.Split(value, ",")
		case "zone":
			n.Zone = value
		case "planners":
			n.Planners = []int{int(number)}
		}
	}
	s.watch(n.ID)
	s.join(n)
}

// resource takes: kind/id or kind/1..n, then any of weight=, zone=, paused.
func (s *scenario) resource(args []string) {
	spec := map[string]any{}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "weight":
			spec["weight"], _ = strconv.Atoi(value)
		case "zone":
			spec["requires"] = map[string]string{"zone": value}
		case "paused":
			spec["paused"] = true
		}
	}
	k := parseKey(args[0])
	first, last, many := strings.Cut(k.ID, "..")
	if !many {
		s.put(ResourcePath(k), spec, 0)
		return
	}
	from, _ := strconv.Atoi(first)
	to, _ := strconv.Atoi(last)
	for i := from; i <= to; i++ {
		s.put(ResourcePath(Key{k.Kind, strconv.Itoa(i)}), spec, 0)
	}
}

// wait lets time pass, and everybody plan who is to.
func (s *scenario) wait(args []string) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = s.now.Add(d)
	for _, id := range s.ids() {
		v := s.views[id]
		v.fold(Batch{Rev: v.rev, Fresh: s.now}, s.now, ignore)
		v.wake(s.now)
		if v.replanDue(s.now) {
			if n := v.replan(s.now); id == "" {
				s.printf("plan: %d targets changed\n", n)
			}
		}
	}
}

// bid has all nodes, or those named, bid for what they are to have.
func (s *scenario) bid(ids []string) {
	due := map[string][]Key{}
	if len(ids) == 0 {
		ids = s.ids()
	}
	for _, id := range ids {
		for _, slot := range s.views[id].dueBids(s.now, 100) {
			due[id] = append(due[id], slot.key)
		}
	}
	if len(due) == 0 {
		s.printf("no bids\n")
	}
	for _, id := range slices.Sorted(maps.Keys(due)) {
		won := s.claim(id, due[id]...)
		s.printf("%s bids for %s: %d won\n", id, names(due[id]), won)
	}
}

func names(keys []Key) string {
	slices.SortFunc(keys, Key.Compare)
	var all []string
	for _, k := range keys {
		all = append(all, k.String())
	}
	return strings.Join(all, " ")
}

// balance has all nodes hand off what they have too much of.
func (s *scenario) balance() {
	all := map[string][]transfer{}
	for _, id := range s.ids() {
		if moves := s.views[id].balance(s.now, 0, func(*slot) bool { return true }); len(moves) > 0 {
			all[id] = moves
		}
	}
	if len(all) == 0 {
		s.printf("no moves\n")
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		to := map[string][]Key{}
		for _, m := range all[id] {
			to[m.to.id] = append(to[m.to.id], m.slot.key)
			s.handOff(m.slot.key, m.to.id)
		}
		for _, target := range slices.Sorted(maps.Keys(to)) {
			s.printf("%s gives %s %s\n", id, target, names(to[target]))
		}
	}
}

// handOffAll has a node that is leaving or drained hand off all that another can have.
func (s *scenario) handOffAll(args []string) {
	v := s.views[args[0]]
	for _, slot := range slices.SortedFunc(v.peer(args[0]).held.all(), func(a, b *slot) int { return a.key.Compare(b.key) }) {
		if slot.target != nil {
			s.printf("%s hands %s to %s\n", args[0], slot.key, slot.target.id)
			s.handOff(slot.key, slot.target.id)
		}
	}
}

// show tells how everything stands.
func (s *scenario) show() {
	v := s.views[""]
	if !v.alikePlanning() {
		s.printf("planners differ\n")
	}
	for _, n := range v.clusterInfo(s.now, time.Time{}).Nodes {
		s.printf("%-5s %-8s holds %d, load %d\n", n.ID, n.State, n.Held, n.Load)
	}
	for _, k := range slices.SortedFunc(maps.Keys(v.slots), Key.Compare) {
		slot := v.slots[k]
		switch reason := v.unheldReason(slot); {
		case reason != "":
			s.printf("%-5s %s: %s\n", k, reason, v.unheldDetail(slot, reason, s.now))
		case slot.target != nil:
			s.printf("%-5s held by %s, for %s\n", k, slot.holder.id, slot.target.id)
		case slot.holder != nil:
			s.printf("%-5s held by %s\n", k, slot.holder.id)
		}
	}
}
