package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Stats returns the node's gauges. It doesn't block and may be called from anywhere.
func (l *Loop) Stats() Stats { return *l.stats.Load() }

func (l *Loop) publishStats(now Instant) {
	s := Stats{
		At: time.Now(), Rev: l.view.rev, Planned: l.planned,
		Held: map[string]map[string]int{}, Invalid: map[string]int{},
	}
	if l.registered {
		s.Term, s.Trust, s.Leases = l.term.id, l.term.remaining(now), len(l.term.all())
	}
	s.Nodes, s.Resources, s.Unheld = l.view.gauges(now, s.At)
	for _, h := range l.holds {
		state, _ := h.condition()
		if s.Held[h.key.Kind] == nil {
			s.Held[h.key.Kind] = map[string]int{}
		}
		s.Held[h.key.Kind][state]++
		if h.refused.state == stateInvalid {
			s.Invalid[h.key.Kind]++
		}
	}
	l.stats.Store(&s)
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
		var slots []*slot
		for key, s := range l.view.slots {
			if (kind == "" || key.Kind == kind) && key.Compare(after) > 0 {
				slots = append(slots, s)
			}
		}
		slices.SortFunc(slots, func(a, b *slot) int { return a.key.Compare(b.key) })
		for _, s := range slots[:min(limit, len(slots))] {
			infos = append(infos, l.inspect(s))
		}
	})
	return infos, err
}

// inspect adds to what the view knows how a resource fares that is held here.
func (l *Loop) inspect(s *slot) ResourceInfo {
	info := l.view.resourceInfo(s, l.cfg.Clock(), time.Now())
	if h := l.holds[s.key]; h != nil {
		state, trouble := h.condition()
		info.State = state
		if trouble != nil {
			info.Error = trouble.Error()
		}
	}
	return info
}
