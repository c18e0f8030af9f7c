package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// MaxChanges is how many changes one Write takes.
const MaxChanges = 100

// Change is one key to put or to delete, below state/<kind>/<id>/.
type Change struct {
	Name   string
	Value  []byte
	Delete bool
}

// Record is one key as of its last change.
type Record struct {
	Name  string // below state/<kind>/<id>/
	Value []byte
	Rev   int64
}

// Errors that a caller branches on.
var (
	// ErrFenced: the claim is not at this epoch any more, and nothing was written. The run is over.
	ErrFenced = errors.New("the claim is not at this epoch any more")
	// ErrUnsettled: it is not known whether an earlier write was made, which was given up on. Only a new run, under a new epoch, can write again.
	ErrUnsettled = errors.New("an earlier write was given up on, and may still be made")
)

// Page is what one run of a resource keeps. Asked and Pending may be called at any time; of Load, Write and Answer one at
// a time.
type Page struct {
	book  *Book
	key   cluster.Key
	claim cluster.Guard
	// fence is a key that every repeated request writes, and whose revision every request is guarded by: once a write has been
	// made, whatever copies of it are still on their way fail.
	fence     cluster.Guard
	fenced    bool // the revision of fence is known
	written   int  // writes so far: makes each one's mark on the fence its own
	unsettled bool
	asked     chan struct{}
}

// fenceName is the name of the fence. Load doesn't tell of it.
const fenceName = "fence"

// Page returns the page of one run of a resource. Close it when the run ends.
func (b *Book) Page(c cluster.Claim) *Page {
	b.o.Opened()
	return &Page{
		book: b, key: c.Key,
		claim: cluster.Guard{Path: cluster.ClaimPath(c.Key), Rev: c.Epoch},
		fence: cluster.Guard{Path: cluster.StatePath(c.Key, fenceName)},
		asked: make(chan struct{}, 1),
	}
}

// Load reads what is kept, in the order of names. What an earlier holder may still have under way is void from there on: so the fence,
// too, is as this run finds it, and nobody else writes it from there on.
func (p *Page) Load(ctx context.Context) ([]Record, error) {
	found, fence, err := load(ctx, p.book.store, p.key)
	if err != nil {
		return nil, err
	}
	p.fenced, p.fence.Rev = true, fence
	return found, nil
}

// Load reads what is kept of a resource, in the order of names, for whoever may read; it is linearizable.
func Load(ctx context.Context, store *lease.Store, k cluster.Key) ([]Record, error) {
	found, _, err := load(ctx, store, k)
	return found, err
}

// load also returns the revision of the fence, 0 if there is none.
func load(ctx context.Context, store *lease.Store, k cluster.Key) (found []Record, fence int64, err error) {
	below := cluster.StatePath(k, "")
	err = store.List(ctx, lease.Range{Below: below}, func(b cluster.Batch) error {
		for _, r := range b.Records {
			if name := r.Path[len(below):]; name == fenceName {
				fence = r.Rev
			} else {
				found = append(found, Record{Name: name, Value: r.Value, Rev: r.Rev})
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("load state of %s: %w", k, err)
	}
	return found, fence, nil
}

// Write makes all changes at once, or none of them, and returns when they are committed. It goes on trying until ctx ends, or until it
// is known that nothing was written: ErrFenced, or cluster.ErrRefused with etcd's reason. ctx should be that of the run: after one that
// ended too early every later write fails with ErrUnsettled.
func (p *Page) Write(ctx context.Context, changes ...Change) error {
	return p.write(ctx, nil, changes)
}

func (p *Page) write(ctx context.Context, ask *Ask, changes []Change) error {
	err := p.check(changes)
	if err == nil && !p.fenced {
		err = p.readFence(ctx)
	}
	if err != nil {
		return fmt.Errorf("write state of %s: %w", p.key, err)
	}
	w := p.prepare(ask, changes)
	if len(w.ops) == 0 {
		return nil
	}
	began := time.Now()
	fence, err := p.book.submit(ctx, w)
	p.book.wrote(time.Since(began), err)
	switch {
	case err == nil:
		p.fence.Rev = fence
		return nil
	case !errors.Is(err, ErrFenced) && !errors.Is(err, cluster.ErrRefused):
		p.unsettled = true
	}
	return fmt.Errorf("write state of %s: %w", p.key, err)
}

func (p *Page) check(changes []Change) error {
	if p.unsettled {
		return ErrUnsettled
	}
	if len(changes) > MaxChanges {
		return fmt.Errorf("%w: %d changes at once; %d is the most", cluster.ErrRefused, len(changes), MaxChanges)
	}
	named := make(map[string]bool, len(changes))
	for _, c := range changes {
		if c.Name == "" || c.Name == fenceName || named[c.Name] {
			return fmt.Errorf("%w: %q is changed twice, or is no name", cluster.ErrRefused, c.Name)
		}
		named[c.Name] = true
	}
	return nil
}

// readFence is for a run that has loaded nothing.
func (p *Page) readFence(ctx context.Context) error {
	found, err := p.book.store.Read(ctx, p.fence.Path)
	if err != nil {
		return err
	}
	p.fenced = true
	if !found[0].Deleted {
		p.fence.Rev = found[0].Rev
	}
	return nil
}

func (p *Page) prepare(ask *Ask, changes []Change) *write {
	p.written++
	w := &write{
		claim: p.claim, fence: p.fence, mark: fmt.Appendf(nil, "%d.%d", p.claim.Rev, p.written), answered: make(chan verdict, 1),
	}
	for _, c := range changes {
		w.ops = append(w.ops, cluster.Op{Path: cluster.StatePath(p.key, c.Name), Value: c.Value, Delete: c.Delete})
	}
	if ask != nil {
		// If the operator has written it again meanwhile, it is another ask, and stays.
		path := cluster.AskPath(p.key, ask.Name)
		w.ops = append(w.ops, cluster.Op{Path: path, Delete: true, If: []cluster.Guard{{Path: path, Rev: ask.Rev}}})
	}
	return w
}
