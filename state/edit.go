package state

import (
	"context"
	"fmt"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Edit is a change to one resource on behalf of another, the page's, and to what that keeps of it: made together or not at all, and only while
// the page's epoch holds and the resource is as it was when the edit was decided on. So a record can be taken at its word, and an edit that
// arrives late, or twice, does nothing.
type Edit struct {
	Key cluster.Key // of the resource
	Rev int64       // as of which the edit was decided on; 0: it was not there
	// Spec is what is put; nil: the resource is removed if Remove is set, else left as it is.
	Spec   []byte
	Remove bool
	Record Change // in the page's state
}

// maxEdits is how many edits one request carries, of two ops each.
const maxEdits = cluster.MaxCommit / 2

// Edit makes edits, each apart from the others, and tells which were made: all but those whose resource has changed meanwhile. With an error
// nothing is known of those that come after the last that it tells of: what there is must be read again. ErrFenced: the claim is another's.
func (p *Page) Edit(ctx context.Context, edits []Edit) (made []bool, err error) {
	for len(edits) > 0 {
		n := fitEdits(edits)
		part, err := p.edit(ctx, edits[:n])
		made = append(made, part...)
		if err != nil {
			return made, fmt.Errorf("edit resources of %s: %w", p.key, err)
		}
		edits = edits[n:]
	}
	return made, nil
}

// fitEdits returns how many of the first edits go into one request; at least one.
func fitEdits(edits []Edit) int {
	size := 0
	for i, e := range edits {
		if size += len(e.Spec) + len(e.Record.Value) + 512; i == maxEdits || i > 0 && size > maxBytes {
			return i
		}
	}
	return len(edits)
}

func (p *Page) edit(ctx context.Context, edits []Edit) (made []bool, err error) {
	var ops []cluster.Op
	first := make([]int, len(edits)) // index of each one's first op
	for i, e := range edits {
		path := cluster.ResourcePath(e.Key)
		guards := []cluster.Guard{p.claim, {Path: path, Rev: e.Rev}}
		first[i] = len(ops)
		ops = append(ops, cluster.Op{
			If: guards, Path: cluster.StatePath(p.key, e.Record.Name), Value: e.Record.Value, Delete: e.Record.Delete,
		})
		if e.Spec != nil || e.Remove {
			ops = append(ops, cluster.Op{If: guards, Path: path, Value: e.Spec, Delete: e.Remove})
		}
	}
	answer, err := p.book.store.Commit(ctx, ops)
	if err != nil {
		return nil, err
	}
	made = make([]bool, len(edits))
	for i := range edits {
		result := answer.Results[first[i]]
		if made[i] = result.Done; made[i] {
			continue
		}
		if claim := result.Read[0]; claim.Deleted || claim.Rev != p.claim.Rev {
			return nil, ErrFenced
		}
	}
	return made, nil
}

// Resources reads the resources of a kind whose ids begin with a prefix, in pages.
func (p *Page) Resources(ctx context.Context, kind, prefix string, each func(k cluster.Key, spec []byte, rev int64)) error {
	below := cluster.ResourcePath(cluster.Key{Kind: kind})
	err := p.book.store.List(ctx, lease.Range{Below: below + prefix}, func(b cluster.Batch) error {
		for _, r := range b.Records {
			each(cluster.Key{Kind: kind, ID: r.Path[len(below):]}, r.Value, r.Rev)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list resources for %s: %w", p.key, err)
	}
	return nil
}
