//go:build linux

package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/drm-cluster/drm/cluster"
)

// register is what the model knows of a claim: who holds it by its lease, and at which epoch.
type register struct {
	lease cluster.LeaseID // 0: nobody
	epoch int64           // of the claim, or the last one known before it if unsure
	last  int64           // the highest revision known of any change: revisions only grow
	// unsure: the claim was put by a write whose answer never came, at some revision above last.
	unsure bool
}

// is tells whether the claim is at a revision, 0 for none, as far as can be said.
func (r register) is(rev int64) bool {
	switch {
	case rev == 0 || r.lease == 0:
		return rev == 0 && r.lease == 0
	case r.unsure:
		return rev > r.last
	}
	return rev == r.epoch
}

// at returns the register once its revision has been told.
func (r register) at(rev int64) register {
	if r.unsure && rev != 0 {
		return register{lease: r.lease, epoch: rev, last: rev}
	}
	return r
}

// step is the sequential specification: what one operation may do and see, given what was done before.
func step(state, input, output any) (bool, any) {
	r, o := state.(register), output.(*operation)
	w := input.(write)
	switch o.outcome {
	case done:
		if !r.is(w.expected) || o.rev <= max(r.last, w.expected) {
			return false, r
		}
		return true, register{lease: w.lease, epoch: o.rev, last: o.rev}
	case undone:
		if !r.is(o.found.rev) || o.found.rev != 0 && o.found.lease != r.lease {
			return false, r
		}
		return o.others || o.found.rev != w.expected, r.at(o.found.rev)
	case vanished:
		if r.lease != w.lease || !r.is(w.expected) || o.rev <= max(r.last, w.expected) {
			return false, r
		}
		return true, register{last: o.rev}
	default: // It was done if it could be; one that never was is put behind everything else, where that harms nothing.
		if !r.is(w.expected) {
			return true, r
		}
		r = r.at(w.expected)
		return true, register{lease: w.lease, last: r.last, unsure: w.lease != 0}
	}
}

var model = porcupine.Model{
	Init:              func() any { return register{} },
	Step:              step,
	DescribeOperation: func(_, output any) string { return output.(*operation).String() },
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

func (o *operation) String() string {
	what := fmt.Sprintf("%s: put on %s if %d", o.by, o.write.lease, o.write.expected)
	switch {
	case o.outcome == vanished:
		return fmt.Sprintf("what was put on %s at %d vanished at %d", o.write.lease, o.write.expected, o.rev)
	case o.write.lease == 0:
		what = fmt.Sprintf("%s: delete if %d", o.by, o.write.expected)
	}
	switch o.outcome {
	case done:
		return fmt.Sprintf("%s: done at %d", what, o.rev)
	case undone:
		return fmt.Sprintf("%s: not done, it is at %d on %s", what, o.found.rev, o.found.lease)
	}
	return what + ": unknown"
}

// linearizable tells whether the operations on one claim can have been done one after the other, each at some moment between
// its call and its return. Claims don't share anything, so each is judged alone. The error has them in the order of their calls.
func linearizable(resource string, ops []*operation) error {
	history := make([]porcupine.Operation, 0, len(ops))
	for _, o := range ops {
		if o.outcome != refused {
			history = append(history, porcupine.Operation{Input: o.write, Call: int64(o.call), Output: o, Return: int64(o.back)})
		}
	}
	switch result := porcupine.CheckOperationsTimeout(model, history, 30*time.Second); result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("%s: whether its %d operations are linearizable was not found out in 30 s", resource, len(history))
	}
	return fmt.Errorf("%s: its operations are not linearizable:\n%s", resource, listing(ops))
}

func listing(ops []*operation) string {
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b *operation) int { return int(a.call - b.call) })
	var text strings.Builder
	for _, o := range ops {
		back := "never"
		if o.back != never {
			back = o.back.Sub(o.call).String()
		}
		fmt.Fprintf(&text, "  at %v, for %s: %v\n", time.Duration(o.call), back, o)
	}
	return text.String()
}

// accountFor brings the operations on one claim together with the changes that etcd told of: what was acknowledged must be
// there, and what is there must have been asked for. What went with its lease is added to the operations.
func accountFor(resource string, ops []*operation, changes []change) ([]*operation, []error) {
	var errs []error
	acknowledged := map[int64]*operation{}
	tried := map[cluster.LeaseID]bool{} // leases of puts whose answer never came
	for _, o := range ops {
		switch o.outcome {
		case done, vanished:
			acknowledged[o.rev] = o
		case unknown:
			tried[o.write.lease] = true
		}
	}
	var before change
	for _, c := range changes {
		o := acknowledged[c.rev]
		delete(acknowledged, c.rev)
		switch {
		case c.lease != 0 && o == nil && !tried[c.lease]:
			errs = append(errs, fmt.Errorf("%s: it was put on lease %s at %d, and nobody says so", resource, c.lease, c.rev))
		case c.lease != 0 && o != nil && o.write.lease != c.lease:
			errs = append(errs, fmt.Errorf("%s: it is on lease %s at %d, and %v", resource, c.lease, c.rev, o))
		case c.lease == 0 && o == nil:
			ops = append(ops, &operation{
				by: "etcd", back: c.seen, write: write{before.lease, before.rev}, outcome: vanished, rev: c.rev,
			})
		}
		if c.lease != 0 && c.version != 1 && c.version != before.version+1 {
			errs = append(errs, fmt.Errorf("%s: between %d and %d a change was missed: the campaign's own watch is at fault", resource, before.rev, c.rev))
		}
		before = c
	}
	for rev, o := range acknowledged {
		errs = append(errs, fmt.Errorf("%s: %v, and etcd knows of no change at %d", resource, o, rev))
	}
	return ops, errs
}
