package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

// world is a store without a store: a linearizable log of records, from which the views of tests are fed.
type world struct {
	rev   int64
	log   [][]Record // by revision, from 1
	keys  map[string]Record
	terms map[string]TermID // the present term of each node
	lives TermID
}

func newWorld() *world {
	return &world{keys: map[string]Record{}, terms: map[string]TermID{}}
}

// commit writes records at one revision.
func (w *world) commit(records ...Record) {
	w.rev++
	for i := range records {
		r := &records[i]
		r.Rev = w.rev
		if r.Deleted {
			delete(w.keys, r.Path)
		} else {
			w.keys[r.Path] = *r
		}
	}
	w.log = append(w.log, records)
}

func (w *world) put(path string, value any, lease LeaseID) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	w.commit(Record{Path: path, Value: text, Lease: lease})
}

func (w *world) remove(paths ...string) {
	var gone []Record
	for _, path := range paths {
		if _, ok := w.keys[path]; ok {
			gone = append(gone, Record{Path: path, Deleted: true})
		}
	}
	if len(gone) > 0 {
		w.commit(gone...)
	}
}

// join registers a node under a new term.
func (w *world) join(n Node) {
	w.lives++
	n.Term = w.lives
	if n.Weight == 0 {
		n.Weight = 1
	}
	if n.Kinds == nil {
		n.Kinds = []string{"x"}
	}
	if n.Planners == nil {
		n.Planners = planners
	}
	n.TTL = Duration(8 * time.Second)
	n.Intake = Intake{Lease: n.Term.Lease(1), Quota: 1000}
	w.terms[n.ID] = n.Term
	w.put(NodePath(n.ID), n, n.Term.Lease(0))
}

// node returns what a node says of itself.
func (w *world) node(id string) Node {
	var n Node
	if err := json.Unmarshal(w.keys[NodePath(id)].Value, &n); err != nil {
		panic(fmt.Errorf("node %s: %w", id, err))
	}
	n.ID = id
	return n
}

// change rewrites a node's key.
func (w *world) change(id string, change func(*Node)) {
	n := w.node(id)
	change(&n)
	w.put(NodePath(id), n, n.Term.Lease(0))
}

// claim has a node claim resources at one revision, as far as they are unclaimed, and returns how many were.
func (w *world) claim(node string, keys ...Key) int {
	var won []Record
	for _, k := range keys {
		if _, claimed := w.keys[ClaimPath(k)]; !claimed {
			won = append(won, w.claimRecord(node, k))
		}
	}
	if len(won) > 0 {
		w.commit(won...)
	}
	return len(won)
}

// handOff rewrites a claim onto another node's intake lease.
func (w *world) handOff(k Key, to string) {
	w.commit(w.claimRecord(to, k))
}

func (w *world) claimRecord(node string, k Key) Record {
	return Record{Path: ClaimPath(k), Value: fmt.Appendf(nil, `{"node":%q}`, node), Lease: w.terms[node].Lease(1)}
}

// claimsOf returns the paths of the claims on leases of a node's present term.
func (w *world) claimsOf(node string) []string {
	var paths []string
	for path, r := range w.keys {
		if r.Lease.Term() == w.terms[node] && path[:len("claims/")] == "claims/" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// feed has a view follow from where it is to a revision, with so many revisions in a batch.
func (w *world) feed(v *view, to int64, lump int, now Instant) {
	for v.rev < to {
		end := min(v.rev+int64(lump), to)
		b := Batch{Rev: end, Fresh: now}
		for rev := v.rev; rev < end; rev++ {
			b.Records = append(b.Records, w.log[rev]...)
		}
		v.fold(b, now, ignore)
	}
}

// listTo has a view list everything, in pages.
func (w *world) listTo(v *view, page int, now Instant) {
	records := slices.SortedFunc(maps.Values(w.keys), func(a, b Record) int { return cmp.Compare(a.Path, b.Path) })
	for len(records) > page {
		v.fold(Batch{Records: records[:page], Rev: w.rev, Listing: true}, now, ignore)
		records = records[page:]
	}
	v.fold(Batch{Records: records, Rev: w.rev, Listing: true, Complete: true, Fresh: now}, now, ignore)
}

func ignore(*slot, Record) {}

// targets returns what a view has in mind, to compare.
func targets(v *view) map[Key]string {
	all := map[Key]string{}
	for k, s := range v.slots {
		if s.target != nil {
			all[k] = s.target.id
		}
	}
	return all
}

func key(i int) Key { return Key{Kind: "x", ID: fmt.Sprintf("r%d", i)} }

func spec(weight int64) map[string]any { return map[string]any{"weight": weight} }

// audit works out from the slots alone all that a view keeps while folding.
func audit(t *testing.T, v *view) {
	t.Helper()
	load, targeted, held, live := map[*peer]int64{}, map[*peer]int{}, map[*peer]int{}, map[*peer]int{}
	leases, resources, homeless := map[LeaseID]int{}, 0, 0
	guests, zones := map[*peer]int{}, map[*zone]int64{}
	for _, s := range v.slots {
		if s.exists() {
			resources++
		}
		if s.holder != nil {
			load[s.holder] += int64(s.weight)
			held[s.holder]++
			if s.origin != 0 {
				guests[s.holder]++
			}
			leases[s.lease]++
			if s.live() {
				live[s.holder]++
			}
		}
		auditTarget(t, v, s)
		if s.target != nil {
			load[s.target] += int64(s.weight)
			targeted[s.target]++
		}
		if s.homeless() || s.on == &v.resting {
			homeless++
		}
		if (s.since != 0) != s.unheld() {
			t.Fatalf("%s: since %d, but unheld is %t", s.key, s.since, s.unheld())
		}
	}
	for _, p := range v.terms {
		if p.load != load[p] || p.targets != targeted[p] || p.held.n != held[p] || p.live != live[p] || p.onIntake != leases[p.Intake.Lease] {
			t.Fatalf("%s: load %d, targets %d, held %d, live %d, on intake %d; recomputed %d, %d, %d, %d, %d",
				p.id, p.load, p.targets, p.held.n, p.live, p.onIntake, load[p], targeted[p], held[p], live[p], leases[p.Intake.Lease])
		}
	}
	for _, p := range v.members {
		zones[p.in] += p.load
		if p.guests != guests[p] || (p.in != nil) != p.takes() {
			t.Fatalf("%s: guests %d, recomputed %d; it takes %t", p.id, p.guests, guests[p], p.takes())
		}
	}
	for z, load := range zones {
		if z != nil && z.load != load {
			t.Fatalf("a zone has load %d, recomputed %d", z.load, load)
		}
	}
	if !maps.Equal(leases, v.leases) || resources != v.resources || homeless != v.homelessCount() {
		t.Fatalf("leases %v, resources %d, homeless %d; recomputed %v, %d, %d", v.leases, v.resources, v.homelessCount(), leases, resources, homeless)
	}
	n := 0
	for s := range v.homeless() {
		if n++; !s.homeless() {
			t.Fatalf("%s is on a list of the homeless", s.key)
		}
	}
	for _, s := range v.slots {
		if s.homeless() {
			n--
		}
	}
	if n != 0 {
		t.Fatalf("the lists name %d homeless slots too many", n)
	}
}

// auditTarget checks one slot's target by definition: it may have it; there is none only if nobody has room.
func auditTarget(t *testing.T, v *view, s *slot) {
	t.Helper()
	switch {
	case s.target != nil && (!s.homeless() || !s.target.can(s.class)):
		t.Fatalf("%s: target %s, but homeless is %t", s.key, s.target.id, s.homeless())
	case s.target == nil && s.homeless() && !v.dirty && !v.roomy:
		for _, p := range v.members {
			if v.eligible(s, p) {
				t.Fatalf("%s has no target, but %s could take it", s.key, p.id)
			}
		}
	}
}

func xxhashOf(s string) uint64 { return xxhash.Sum64String(s) }
