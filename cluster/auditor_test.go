package cluster_test

import (
	"context"
	"encoding/json"

	"github.com/drm-cluster/drm/cluster"
)

// auditor reads the store's log as it is written and reports what no node may write, whatever its runners do.
type auditor struct {
	ledger *ledger
	nodes  map[string]cluster.Node
	names  map[cluster.TermID]string // every term there ever was
	claims map[cluster.Key]cluster.Record
	loads  map[cluster.LeaseID]int
	listed []cluster.Record // by the listing under way
}

// mostOnLease is what design §4 allows on a lease, and what rounding up each node's part of a quota may add.
const mostOnLease = 1000 + 5

func newAuditor(l *ledger) *auditor {
	return &auditor{
		ledger: l, nodes: map[string]cluster.Node{}, names: map[cluster.TermID]string{},
		claims: map[cluster.Key]cluster.Record{}, loads: map[cluster.LeaseID]int{},
	}
}

// audit reads until ctx ends.
func (a *auditor) audit(ctx context.Context, store cluster.Store) {
	batches := make(chan cluster.Batch)
	go func() {
		defer close(batches)
		for ctx.Err() == nil {
			_ = store.Follow(ctx, batches) // after a restore it follows what there is now
		}
	}()
	for b := range batches {
		if b.Listing {
			a.relist(b)
			continue
		}
		for _, r := range b.Records {
			a.read(r)
		}
	}
}

// relist takes over what a listing says: how that came about can't be told.
func (a *auditor) relist(b cluster.Batch) {
	a.listed = append(a.listed, b.Records...)
	if !b.Complete {
		return
	}
	quiet := newAuditor(newLedger(a.ledger.store))
	quiet.names = a.names
	for _, r := range a.listed {
		quiet.read(r)
	}
	a.nodes, a.claims, a.loads, a.listed = quiet.nodes, quiet.claims, quiet.loads, nil
}

func (a *auditor) read(r cluster.Record) {
	place, err := cluster.ParsePath(r.Path)
	switch {
	case err != nil:
	case place.Family == "nodes":
		a.node(place.Node, r)
	case place.Family == "claims":
		a.claim(place.Key, r)
	}
}

func (a *auditor) node(id string, r cluster.Record) {
	was, there := a.nodes[id]
	if r.Deleted {
		delete(a.nodes, id)
		return
	}
	var now cluster.Node
	if err := json.Unmarshal(r.Value, &now); err != nil {
		a.ledger.report("nodes/%s holds %q: %v", id, r.Value, err)
	}
	switch {
	case there && was.Term != now.Term:
		a.ledger.report("nodes/%s was overwritten: term %x by term %x", id, was.Term, now.Term)
	case r.Lease != now.Term.Lease(0):
		a.ledger.report("nodes/%s is on lease %s, which is not its node lease", id, r.Lease)
	}
	a.nodes[id], a.names[now.Term] = now, id
}

func (a *auditor) claim(key cluster.Key, r cluster.Record) {
	was, there := a.claims[key]
	if there {
		a.loads[was.Lease]--
		delete(a.claims, key)
	}
	if r.Deleted {
		return
	}
	a.claims[key] = r
	a.loads[r.Lease]++
	switch {
	case r.Lease == 0:
		a.ledger.report("the claim of %s was put on no lease", key)
	case a.loads[r.Lease] > mostOnLease:
		a.ledger.report("%d claims are on lease %s", a.loads[r.Lease], r.Lease)
	case there && was.Lease.Term() != r.Lease.Term():
		a.handOff(key, was, r)
	}
}

// handOff checks what brings a claim from one node to another: only its holder may, and only onto the lease that the next one
// names at that very revision.
func (a *auditor) handOff(key cluster.Key, was, now cluster.Record) {
	var v cluster.ClaimValue
	if err := json.Unmarshal(now.Value, &v); err != nil {
		a.ledger.report("the claim of %s holds %q: %v", key, now.Value, err)
	}
	to := a.nodes[v.Node]
	switch {
	case v.From == "" || v.From != a.names[was.Lease.Term()]:
		a.ledger.report("the claim of %s, held by %s, was taken by %s", key, a.names[was.Lease.Term()], v.Node)
	case to.Leaving:
		a.ledger.report("the claim of %s was handed to %s, which is leaving", key, v.Node)
	case to.Intake.Lease != now.Lease:
		a.ledger.report("the claim of %s was handed to %s on lease %s, which names %s", key, v.Node, now.Lease, to.Intake.Lease)
	}
}
