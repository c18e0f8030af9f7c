package state

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/lease"
)

// Ask is something that an operator asks the holder of a resource to do.
type Ask struct {
	Name  string
	Value []byte // JSON, in the words of the kind
	Rev   int64
}

// asks are what operators ask of all resources, and the pages that want to know.
type asks struct {
	mu      sync.Mutex
	pending map[cluster.Key]map[string]Ask
	pages   map[cluster.Key]*Page
}

func newAsks() asks {
	return asks{pending: map[cluster.Key]map[string]Ask{}, pages: map[cluster.Key]*Page{}}
}

// askRoot is what the path of every ask begins with.
const askRoot = "asks/"

// followAsks keeps the asks up to date until ctx ends.
func (b *Book) followAsks(ctx context.Context) {
	batches := make(chan cluster.Batch)
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() {
		defer close(batches)
		for ctx.Err() == nil {
			err := b.store.FollowRange(ctx, lease.Range{Below: askRoot}, batches)
			if ctx.Err() == nil {
				b.o.Log.Warn("following what operators ask starts over", "err", err)
				pause(ctx, maxPause)
			}
		}
	})
	var listed map[cluster.Key]map[string]Ask
	var rev int64
	for batch := range batches {
		if !batch.Listing {
			b.asks.fold(batch.Records)
			continue
		}
		if batch.Rev != rev {
			listed, rev = map[cluster.Key]map[string]Ask{}, batch.Rev
		}
		for _, r := range batch.Records {
			note(listed, r)
		}
		if batch.Complete {
			b.asks.replace(listed)
			rev = 0
		}
	}
}

// note takes a record in, and returns whose it is; ok is false when its page need not know: there is nothing more to do.
func note(pending map[cluster.Key]map[string]Ask, r cluster.Record) (k cluster.Key, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(r.Path, askRoot), "/", 3)
	if len(parts) < 3 {
		return k, false
	}
	k = cluster.Key{Kind: parts[0], ID: parts[1]}
	if r.Deleted {
		delete(pending[k], parts[2])
		if len(pending[k]) == 0 {
			delete(pending, k)
		}
		return k, false
	}
	if pending[k] == nil {
		pending[k] = map[string]Ask{}
	}
	pending[k][parts[2]] = Ask{Name: parts[2], Value: r.Value, Rev: r.Rev}
	return k, true
}

func (a *asks) fold(records []cluster.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range records {
		if k, ok := note(a.pending, r); ok {
			a.tell(k)
		}
	}
}

func (a *asks) replace(listed map[cluster.Key]map[string]Ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = listed
	for k := range listed {
		a.tell(k)
	}
}

// tell wakes the page of a resource.
func (a *asks) tell(k cluster.Key) {
	if p := a.pages[k]; p != nil {
		select {
		case p.asked <- struct{}{}:
		default:
		}
	}
}

// Asked returns a channel that receives when there may be something in Pending.
func (p *Page) Asked() <-chan struct{} {
	a := &p.book.asks
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pages[p.key] = p
	if len(a.pending[p.key]) > 0 {
		a.tell(p.key)
	}
	return p.asked
}

// Pending returns what operators ask of this resource, oldest first. What was answered may still be in it for a moment.
func (p *Page) Pending() []Ask {
	a := &p.book.asks
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Values(a.pending[p.key]), func(x, y Ask) int {
		return cmp.Or(cmp.Compare(x.Rev, y.Rev), cmp.Compare(x.Name, y.Name))
	})
}

// Answer is Write which in the same breath tells the operator that the ask was done.
func (p *Page) Answer(ctx context.Context, ask Ask, changes ...Change) error {
	return p.write(ctx, &ask, changes)
}

// Close ends what Asked began.
func (p *Page) Close() {
	a := &p.book.asks
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pages[p.key] == p {
		delete(a.pages, p.key)
	}
}

// ErrUnanswered says that nobody did in time what was asked, and that nobody will: it was taken back.
var ErrUnanswered = errors.New("not done in time, and taken back")

// Request asks the holder of a resource to do something, and returns when it has. The revision of the ask is what kinds keep their answers by.
// When ctx ends before that, the ask is taken back: ErrUnanswered, with the node that holds the resource, if one does.
func Request(ctx context.Context, store *lease.Store, k cluster.Key, what any) (rev int64, err error) {
	value, err := json.Marshal(what)
	if err != nil {
		return 0, fmt.Errorf("encode ask: %w", err)
	}
	path := cluster.AskPath(k, rand.Text())
	answer, err := store.Commit(ctx, []cluster.Op{{Path: path, Value: value}})
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", k, err)
	}
	if await(ctx, store, path) {
		return answer.Rev, nil
	}
	return answer.Rev, takeBack(ctx, store, k, cluster.Guard{Path: path, Rev: answer.Rev})
}

// takeBack deletes an ask that nobody has done yet.
func takeBack(ctx context.Context, store *lease.Store, k cluster.Key, ask cluster.Guard) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	back, err := store.Commit(late, []cluster.Op{{
		If: []cluster.Guard{ask}, Path: ask.Path, Delete: true, Read: []string{cluster.ClaimPath(k)},
	}})
	switch {
	case err != nil:
		return fmt.Errorf("take back what was asked of %s: %w; it may still be done", k, err)
	case !back.Results[0].Done:
		return nil
	}
	return fmt.Errorf("ask %s: %w; %s", k, ErrUnanswered, holder(back.Results[0].Read[0]))
}

// await returns true when a key is gone, false when ctx ends before that.
func await(ctx context.Context, store *lease.Store, path string) bool {
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan cluster.Batch)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	following.Go(func() {
		defer close(batches)
		_ = store.FollowRange(ctx, lease.Range{Below: path}, batches) // its end is told by the channel's
	})
	there := false
	for b := range batches {
		for _, r := range b.Records {
			there = !r.Deleted
		}
		if !there && (!b.Listing || b.Complete) {
			return true
		}
	}
	return false
}

func holder(claim cluster.Record) string {
	var v cluster.ClaimValue
	if claim.Deleted || json.Unmarshal(claim.Value, &v) != nil {
		return "nobody holds it"
	}
	return fmt.Sprintf("node %s holds it; see its log", v.Node)
}
