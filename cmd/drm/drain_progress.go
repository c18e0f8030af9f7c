package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

const (
	// surveyEvery is how often a drain's progress is worked out and shown at most.
	surveyEvery = 250 * time.Millisecond
	// wellAfter is for how long new holders must have noted no trouble. They look once a second.
	wellAfter = 2 * time.Second
)

// progress is how far a drain has come.
type progress struct {
	held   map[cluster.Key]bool           // what the node has held since it began
	before map[cluster.Key]cluster.Status // of it, what was in trouble then

	left     map[cluster.Key]string // what is not done, and why
	here     int                    // of it, what the node still holds
	bound    int                    // of that, what can go nowhere
	waiting  int                    // of what is left, what nobody holds
	on       map[string]int         // what others hold, by node
	ended    int                    // what nobody is to hold any more
	heard    bool                   // the node has said that nothing more comes to it
	sick     map[cluster.Key]string // with what new holders have had trouble that the node had not, when last asked
	ill      int                    // with how much they have, as the node had
	surveyed time.Time
	settled  time.Time // since when everything has been elsewhere; zero: it is not
	looked   time.Time // when troubles were last read
	said     string
}

// note remembers what the node holds and returns how much that is.
func (p *progress) note(s *cluster.Snapshot, node string) int {
	keys := s.Held(node)
	for _, k := range keys {
		p.held[k] = true
	}
	return len(keys)
}

// survey works out where everything is that the node has held.
func (p *progress) survey(s *cluster.Snapshot, node string, now time.Time) {
	bound := map[cluster.Key]string{}
	for _, b := range s.Bound(node) {
		bound[b.Key] = b.Reason + ": " + b.Detail
	}
	p.surveyed, p.heard = now, s.Drained(node)
	p.here, p.bound, p.waiting, p.ended = 0, 0, 0, 0
	p.on, p.left = map[string]int{}, map[cluster.Key]string{}
	for k := range p.held {
		info, known := s.Resource(k)
		switch {
		case info.Holder == node:
			p.here++
			p.left[k] = "still on " + node
			if why := bound[k]; why != "" {
				p.bound++
				p.left[k] += "; " + why
			}
		case !known || info.SpecRev == 0 || info.Paused || info.Pending != nil && info.Pending.Reason == cluster.UnheldInvalid:
			p.ended++
		case info.Pending != nil:
			p.waiting++
			p.left[k] = info.Pending.Reason + ": " + info.Pending.Detail
		default:
			p.on[info.Holder]++
		}
	}
	switch {
	case !p.heard || len(p.left) > 0:
		p.settled = time.Time{}
		return
	case p.settled.IsZero():
		p.settled, p.sick = now, nil
	}
	maps.Copy(p.left, p.sick)
}

// judge takes in what holders have noted of trouble, and tells whether all is well that was so before.
func (p *progress) judge(troubles map[cluster.Key]cluster.Status) bool {
	p.ill, p.sick = 0, map[cluster.Key]string{}
	for k, t := range troubles {
		if _, before := p.before[k]; before {
			p.ill++
		} else {
			p.sick[k] = fmt.Sprintf("in trouble on %s: %s: %s", t.Node, t.State, t.Error)
		}
	}
	return len(p.sick) == 0
}

// elsewhere says where what has moved is.
func (p *progress) elsewhere() string {
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(p.on)) {
		parts = append(parts, fmt.Sprintf("%d on %s", p.on[node], node))
	}
	if p.ended > 0 {
		parts = append(parts, fmt.Sprintf("%d removed or paused", p.ended))
	}
	return strings.Join(parts, ", ")
}

// text says how far the drain has come, in a line.
func (p *progress) text(node string) string {
	parts := []string{fmt.Sprintf("%s: %d of %d still here", node, p.here, len(p.held))}
	if len(p.held) == 0 {
		parts[0] = node + ": it holds nothing"
	}
	if p.bound > 0 {
		parts[0] += fmt.Sprintf(" (%d can go nowhere)", p.bound)
	}
	if p.waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting for a holder", p.waiting))
	}
	if e := p.elsewhere(); e != "" {
		parts = append(parts, e)
	}
	switch {
	case p.here == 0 && !p.heard:
		parts = append(parts, "waiting for the node to say that nothing more comes to it")
	case !p.settled.IsZero() && len(p.left) > 0:
		some := slices.MinFunc(slices.Collect(maps.Keys(p.left)), cluster.Key.Compare)
		parts = append(parts, fmt.Sprintf("%d in trouble there, such as %s: %s", len(p.left), some, plain(p.left[some])))
	case !p.settled.IsZero() && len(p.held) > 0:
		parts = append(parts, "looking whether they run")
	}
	return strings.Join(parts, ", ")
}
