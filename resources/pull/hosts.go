package pull

import (
	"context"
	"slices"
	"sync"

	"github.com/drm-cluster/drm/resources"
)

// hosts let requests to one group of hosts go in turns, in the order of asking.
type hosts struct {
	mu     sync.Mutex
	groups map[string]*host // those that somebody is at, or waits for
}

type host struct {
	busy int
	line []*turn
}

// turn is one that waits. The resources of a group may differ in how many they allow at a time, themselves included.
type turn struct {
	limit int
	come  chan struct{}
}

// enter returns when it is the caller's turn, or with the cause when ctx ends before that. leave must be called in the end.
func (h *hosts) enter(ctx context.Context, group string, limit int) (leave func(), err error) {
	t := &turn{limit: limit, come: make(chan struct{})}
	h.mu.Lock()
	g := h.groups[group]
	if g == nil {
		g = &host{}
		h.groups[group] = g
	}
	g.line = append(g.line, t)
	h.advance(group, g)
	h.mu.Unlock()
	leave = func() { h.leave(group) }
	select {
	case <-t.come:
		return leave, nil
	case <-ctx.Done():
	}
	if !h.withdraw(group, t) { // its turn has come meanwhile
		leave()
	}
	return nil, resources.Cause(ctx)
}

// advance lets those at the head of the line go for whom there is room. The caller has the lock.
func (h *hosts) advance(group string, g *host) {
	for len(g.line) > 0 && g.busy < g.line[0].limit {
		close(g.line[0].come)
		g.line[0] = nil
		g.line = g.line[1:]
		g.busy++
	}
	if g.busy == 0 && len(g.line) == 0 {
		delete(h.groups, group)
	}
}

func (h *hosts) leave(group string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.groups[group]
	g.busy--
	h.advance(group, g)
}

// withdraw takes a turn out of the line; false if it isn't in it any more.
func (h *hosts) withdraw(group string, t *turn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.groups[group]
	if g == nil {
		return false
	}
	i := slices.Index(g.line, t)
	if i < 0 {
		return false
	}
	g.line = slices.Delete(g.line, i, i+1)
	h.advance(group, g)
	return true
}
