package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// board shows who holds what in a dev cluster, and what a crash cost. It hears from two sides: from the nodes' logs
// who runs a resource, and from the feed, which stands for the outside world, which sockets are open. It belongs
// to the dev loop.
type board struct {
	screen  *screen
	feed    *feed
	nodes   []string
	away    map[string]time.Time // nodes that have ended, and when they are to be back
	holds   map[string]*holding  // by id
	crashes []crash
	twice   int // how often the feed saw two sockets of one resource
	changed time.Time
	shown   bool // the summary, since the last change
	visible bool // the banner is out
	ending  bool // nothing is told any more
}

// holding is one resource.
type holding struct {
	id               string
	followed         bool // its sockets go to the feed
	node, from       string
	epoch, toldEpoch int
	reason, gap      string
	sockets          int // open at the feed
	socketEpoch      int
	openedAt, lostAt time.Time
	lostFrom         string
}

// crash is a node that ended; its summary is due when all that it held is open elsewhere.
type crash struct {
	node string
	at   time.Time
}

func newBoard(s *screen, f *feed, nodes []string) *board {
	b := &board{screen: s, feed: f, nodes: nodes, away: map[string]time.Time{}, holds: map[string]*holding{}}
	return b
}

// show begins to show the state below the lines.
func (b *board) show() {
	b.visible = true
	b.screen.footer = b.summary
	b.screen.refresh()
}

// hide ends that, and what else is told of single resources: everything is about to be let go.
func (b *board) hide() {
	b.visible, b.ending = false, true
	b.screen.leave()
}

// follow says that the sockets of a resource go to the feed.
func (b *board) follow(id string) { b.hold(id).followed = true }

func (b *board) hold(id string) *holding {
	h := b.holds[id]
	if h == nil {
		h = &holding{id: id}
		b.holds[id] = h
	}
	return h
}

// started takes a node's word that it runs a resource now.
func (b *board) started(l nodeLine) {
	h := b.hold(l.field("resource"))
	h.from, h.node, h.epoch = h.node, l.node.name, l.number("epoch")
	h.reason, h.gap = l.field("reason"), l.field("gap")
	b.touch()
	b.report(h)
}

// stopped takes a node's word that it runs a resource no more; who took it over may have said so before.
func (b *board) stopped(l nodeLine) {
	h := b.hold(l.field("resource"))
	if h.node != l.node.name || h.epoch != l.number("epoch") {
		return
	}
	switch l.field("reason") {
	case "unwanted", "done", "lost":
		b.screen.print("%s  %s  let go by %s: %s", clock(), h.id, h.node, l.field("reason"))
		delete(b.holds, h.id)
	}
	b.touch()
}

// socket takes what the feed saw.
func (b *board) socket(e feedEvent) {
	h := b.hold(e.id)
	if !e.open {
		h.sockets--
		h.lostAt, h.lostFrom = e.at, h.node
		b.touch()
		return
	}
	if h.sockets++; h.sockets > 1 {
		b.twice++
		b.screen.print("%s  %s  IS CONNECTED TWICE", clock(), h.id)
	}
	h.openedAt, h.socketEpoch = e.at, int(e.epoch)
	b.touch()
	b.report(h)
}

// report prints a line about a resource that has changed hands: once, when its node and, if it is followed, the
// feed have told of the same epoch.
func (b *board) report(h *holding) {
	if b.ending || h.epoch == 0 || h.epoch == h.toldEpoch || h.followed && h.socketEpoch != h.epoch {
		return
	}
	h.toldEpoch = h.epoch
	text := "held by " + h.node
	if h.from != "" && h.from != h.node {
		text = h.from + " → " + h.node
	}
	switch {
	case h.followed && !h.lostAt.IsZero():
		text += fmt.Sprintf("  %s, its socket was away for %d ms", h.reason, h.openedAt.Sub(h.lostAt).Milliseconds())
	case h.gap != "":
		text += fmt.Sprintf("  %s, nobody ran it for %s", h.reason, h.gap)
	default:
		text += "  " + h.reason
	}
	b.screen.print("%s  %s  %s  (epoch %d)", clock(), h.id, text, h.epoch)
}

// died notes that a node has ended.
func (b *board) died(node string, backIn time.Duration) {
	b.away[node] = time.Now().Add(backIn)
	b.crashes = append(b.crashes, crash{node, time.Now()})
	b.touch()
}

// back notes that a node runs again.
func (b *board) back(node string) {
	delete(b.away, node)
	b.touch()
}

func (b *board) touch() {
	b.changed, b.shown = time.Now(), false
	if b.visible {
		b.screen.refresh()
	}
}

const (
	// around is how far apart the two sides may notice the same crash.
	around = time.Second
	// calm is how long nothing must have changed before a summary is worth a few lines.
	calm = 700 * time.Millisecond
)

// look prints what is due by time.
func (b *board) look(now time.Time) {
	b.crashes = slices.DeleteFunc(b.crashes, func(c crash) bool { return now.Sub(c.at) > around/3 && b.settled(c, now) })
	if b.visible && !b.shown && now.Sub(b.changed) > calm {
		b.shown = true
		if b.screen.tty == nil {
			b.screen.print("%s", strings.Join(b.summary(), "\n"))
		}
	}
	if b.visible {
		b.screen.refresh()
	}
}

// settled prints what a crash cost, once that is known, and tells whether there is no more to say.
func (b *board) settled(c crash, now time.Time) bool {
	var slowest time.Duration
	count := 0
	for _, h := range b.holds {
		if !h.followed || h.lostFrom != c.node || h.lostAt.Before(c.at.Add(-around)) || h.lostAt.After(c.at.Add(around)) {
			continue
		}
		if h.openedAt.Before(h.lostAt) {
			return false
		}
		count++
		slowest = max(slowest, h.openedAt.Sub(h.lostAt))
	}
	if count == 0 {
		return now.Sub(c.at) > around
	}
	b.screen.print("%s  ALL %d WEBSOCKETS OF %s ARE OPEN ELSEWHERE; the slowest was away for %d ms",
		clock(), count, c.node, slowest.Milliseconds())
	return true
}

// summary is the present state: a line for each node, and one with totals.
func (b *board) summary() []string {
	held := map[string][]string{}
	open, followed := 0, 0
	for _, id := range slices.Sorted(maps.Keys(b.holds)) {
		h := b.holds[id]
		if h.followed {
			followed++
			open += min(h.sockets, 1)
		}
		if h.node != "" && (!h.followed || h.sockets > 0) {
			held[h.node] = append(held[h.node], id)
		}
	}
	var lines []string
	for _, node := range b.nodes {
		line := fmt.Sprintf("  %s  %3d  %s", node, len(held[node]), strings.Join(held[node], " "))
		if back, gone := b.away[node]; gone {
			line = fmt.Sprintf("  %s    -  ended", node)
			if left := time.Until(back); left > 0 {
				line += fmt.Sprintf(", back in %.0f s", left.Seconds())
			}
		}
		lines = append(lines, line)
	}
	if followed > 0 {
		lines = append(lines, fmt.Sprintf("  %d of %d websockets open, %d messages received, connected twice: %d times",
			open, followed, b.feed.received.Load(), b.twice))
	}
	return lines
}
