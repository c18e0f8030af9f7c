package cluster

import (
	"context"
	"fmt"
	"time"
)

// Stats returns the node's gauges. It doesn't block and may be called from anywhere.
func (l *Loop) Stats() Stats { return *l.stats.Load() }

// statsEvery is how often gauges are published, in every phase of the loop: that they are fresh tells that it is alive.
const statsEvery = 250 * time.Millisecond

func (l *Loop) publishStats(now Instant) {
	if now.Sub(l.published) < statsEvery {
		return
	}
	l.published = now
	last := l.stats.Load()
	s := Stats{
		At: time.Now(), Rev: l.view.rev, Planned: l.planned, Leaving: l.leaving,
		Held: last.Held, Troubled: last.Troubled, Invalid: last.Invalid,
	}
	if l.registered {
		s.Term, s.Trust, s.Leases = l.term.id, l.term.remaining(now), len(l.term.all())
		s.Part = float64(l.weight()) / float64(l.cfg.Self.Weight)
	}
	s.Nodes, s.Resources, s.Unheld = l.view.gauges(now, s.At)
	if len(l.holds) <= fewHolds || now.Sub(l.counted) >= lookEvery {
		l.counted = now
		l.count(&s)
	}
	l.stats.Store(&s)
}

// fewHolds is how many are counted whenever gauges are published. More are counted when they are looked at anyway: a hundred
// thousand took a quarter of a processor.
const fewHolds = 1000

// count counts what is held here, by kind and state, and by kind what has trouble and the specs refused.
func (l *Loop) count(s *Stats) {
	s.Held, s.Troubled, s.Invalid = map[string]map[string]int{}, map[string]int{}, map[string]int{}
	for _, h := range l.holds {
		c := h.condition()
		if s.Held[h.key.Kind] == nil {
			s.Held[h.key.Kind] = map[string]int{}
		}
		s.Held[h.key.Kind][c.State]++
		if c.Err != nil {
			s.Troubled[h.key.Kind]++
		}
		if h.refused.state == stateInvalid {
			s.Invalid[h.key.Kind]++
		}
	}
}

// query runs f on the loop, between two turns, and waits for it.
func (l *Loop) query(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case l.queries <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ask the loop: %w", context.Cause(ctx))
	}
}

// Cluster returns the cluster as this node sees it. It waits for the loop to have a moment, or ctx to end; it
// may be called concurrently.
func (l *Loop) Cluster(ctx context.Context) (info ClusterInfo, err error) {
	err = l.query(ctx, func() { info = l.view.clusterInfo(l.cfg.Clock(), time.Now()) })
	return info, err
}

// Resource returns one resource as this node sees it, false if there is none. It blocks as Cluster does.
func (l *Loop) Resource(ctx context.Context, key Key) (info ResourceInfo, known bool, err error) {
	err = l.query(ctx, func() {
		if s := l.view.slots[key]; s != nil {
			info, known = l.inspect(s), true
		}
	})
	return info, known, err
}

// Resources returns up to limit resources in the order of their keys, those after the key given, of one kind or, with
// "", of all. It blocks as Cluster does.
func (l *Loop) Resources(ctx context.Context, kind string, after Key, limit int) (infos []ResourceInfo, err error) {
	err = l.query(ctx, func() {
		for _, s := range l.view.page(kind, after, limit) {
			infos = append(infos, l.inspect(s))
		}
	})
	return infos, err
}

// page returns the first slots after a key, in order, of one kind or, with "", of all.
func (v *view) page(kind string, after Key, limit int) []*slot {
	if first := (Key{Kind: kind}); after.Compare(first) < 0 {
		after = first
	}
	var page []*slot
	for s := range v.index.after(after) {
		if len(page) == limit || kind != "" && s.key.Kind != kind {
			break
		}
		page = append(page, s)
	}
	return page
}

// inspect adds to what the view knows how a resource fares that is held here.
func (l *Loop) inspect(s *slot) ResourceInfo {
	info := l.view.resourceInfo(s, l.cfg.Clock(), time.Now())
	if h := l.holds[s.key]; h != nil {
		c := h.condition()
		info.State = c.State
		if c.Err != nil {
			info.Error = c.Err.Error()
		}
	}
	return info
}
