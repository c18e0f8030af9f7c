package redis

import (
	"context"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/redisconn"
)

// maxHops is how often in a row a cluster may send us from one of its nodes to another: more tells of a cluster that doesn't agree with itself.
const maxHops = 5

// topic names what is subscribed to on a connection.
type topic struct{ mode, name string }

// sub is one channel or pattern that one resource follows.
type sub struct {
	hold *hold
	topic
	hub  *hub // that it has joined, nil if none; owned by the goroutine of Run
	hops int  // in a row; owned by the goroutine of Run

	// Protected by hold.mu.
	live    bool
	refused error // why it was refused, or its hub is gone
}

// follow subscribes, and does so anew what is refused, until ctx ends.
func (h *hold) follow() error {
	for _, name := range h.spec.names() {
		h.subs = append(h.subs, &sub{hold: h, topic: topic{h.spec.Mode, name}})
	}
	defer func() {
		for _, s := range h.subs {
			s.leave()
		}
	}()
	h.showTrying(resources.StateConnecting)
	for _, s := range h.subs {
		s.join("")
	}
	for {
		select {
		case <-h.ctx.Done():
			return resources.Cause(h.ctx)
		case <-h.refusals:
		}
		if err := h.rejoin(); err != nil {
			return err
		}
	}
}

// rejoin subscribes anew to what was refused: at once where a cluster says that it is elsewhere, else after a while.
func (h *hold) rejoin() error {
	var again []*sub
	var why error
	refused, worked := h.takeRefused()
	for s, err := range refused {
		from := s.hub.server()
		s.leave()
		if addr, moved := redisconn.Moved(err, from); moved && s.hops < maxHops {
			s.hops++
			s.join(addr)
			continue
		}
		s.hops = 0
		again, why = append(again, s), err
	}
	if len(again) == 0 {
		return nil
	}
	if err := h.wait(judge(why), worked); err != nil {
		return err
	}
	h.showTrying(resources.StateConnecting)
	for _, s := range again {
		s.join("")
	}
	return nil
}

// takeRefused returns what was refused since the last time, and how long everything had worked before.
func (h *hold) takeRefused() (refused map[*sub]error, worked time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	refused = map[*sub]error{}
	if !h.since.IsZero() {
		worked = time.Since(h.since)
		h.since = time.Time{}
	}
	for _, s := range h.subs {
		if s.refused != nil {
			refused[s], s.refused = s.refused, nil
		}
	}
	return refused, worked
}

// wait reports why something is over that had worked for a while, and returns when it is to be tried again.
func (h *hold) wait(why *ended, worked time.Duration) error {
	delay := h.spec.Reconnect.delay(why, &h.backoff, worked)
	h.logged().Warn("not followed", "state", why.state, "retry_in", delay.Round(time.Millisecond), "err", why.err)
	h.show(cluster.Condition{State: why.state, Err: why.err, Attempts: h.backoff.Failures, NextTry: time.Now().Add(delay)})
	return resources.Wait(h.ctx, delay)
}

// went tells that the sub receives: its server has confirmed it. When all of the resource's do, the gap is over.
func (s *sub) went(now time.Time) {
	h := s.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.live {
		return
	}
	s.live = true
	if h.live++; h.live < len(h.subs) {
		return
	}
	if h.gap != nil {
		h.gap.To = now
		h.buffer.note(*h.gap)
		h.gap = nil
	}
	h.since = now
	h.shows = cluster.Condition{State: resources.StateConnected}
	h.tell()
}

// down tells that the sub receives nothing more; c says why, and what is done about it, and heard when its server was last heard.
func (s *sub) down(c cluster.Condition, heard time.Time) {
	h := s.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fell(s, c.Err, heard)
	h.shows = c
	h.tell()
}

// refuse tells that the sub is not, or no more, taken by its hub, and leaves the rest to the goroutine of Run.
func (s *sub) refuse(err error, heard time.Time) {
	h := s.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fell(s, err, heard)
	s.refused = err
	select {
	case h.refusals <- struct{}{}:
	default:
	}
}

// fell begins a gap, if the sub was live. The caller has locked.
func (h *hold) fell(s *sub, why error, heard time.Time) {
	if !s.live {
		return
	}
	s.live = false
	h.live--
	if h.gap == nil {
		h.gap = &resources.Gap{From: heard, Reason: why.Error()}
	}
}

// join subscribes on a hub: that of the url, or of the node of its cluster at addr.
func (s *sub) join(addr string) {
	h := s.hold
	s.hub = h.Runner.hub(context.WithoutCancel(h.ctx), siteOf(h, addr), h.spec, h.backoff.Failures)
	s.hub.add(s)
}

// leave ends the subscription, and the hub's connection if nobody else uses it. It waits for that, which needs nobody's answer.
func (s *sub) leave() {
	if s.hub != nil {
		s.hub.remove(s)
		s.hold.Runner.unhub(s.hub)
		s.hub = nil
	}
}
