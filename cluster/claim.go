package cluster

import (
	"encoding/json"
	"errors"
)

// touched is told by the view of every newer record of a resource or its claim. It only notes; settle acts.
func (l *Loop) touched(s *slot, rec Record) {
	h := l.holds[s.key]
	if h == nil && rec.Deleted {
		l.tidy(s)
	}
	if h == nil {
		if l.term == nil || s.lease == 0 || s.lease.Term() != l.term.id || l.term.index[s.lease] == nil {
			return
		}
		h = &hold{key: s.key, how: ChangeAdopted}
		if a, bid := l.asking[s.key]; bid {
			h.how, h.gap = a.how, a.gap
		}
		l.holds[s.key] = h
	}
	h.slot = s
	switch {
	case rec.Path == ResourcePath(s.key) && !rec.Deleted:
		l.offer(h, rec.Value, rec.Rev)
	case rec.Path == ClaimPath(s.key) && !rec.Deleted && h.epoch == 0:
		h.arrive(rec.Value)
	}
	l.touch(h)
}

// arrive notes how a claim came that another node put on a lease of ours.
func (h *hold) arrive(value []byte) {
	var v ClaimValue
	if json.Unmarshal(value, &v) == nil && v.From != "" {
		h.how, h.origin = ChangeHandOff, v.Origin
		if v.Stopped != nil {
			h.gap.wall = *v.Stopped
		}
	}
}

// touch has settle called for a hold at the end of this turn.
func (l *Loop) touch(h *hold) {
	if !h.queued {
		h.queued = true
		l.dirty = append(l.dirty, h)
	}
}

// bid claims what the plan says is this node's to claim.
func (l *Loop) bid(now Instant) {
	limit := l.pace()*MaxCommit - l.out.queued - l.out.flying*MaxCommit
	behind := now.Sub(l.view.fresh) > l.term.timing.useful/2
	if behind {
		limit = min(limit, MaxCommit)
	}
	if limit <= 0 || now < l.bidPause {
		return
	}
	due := l.view.dueBids(now, limit)
	if len(due) == 0 {
		return
	}
	l.provide(len(due), now)
	sent := 0
	for _, s := range due {
		on := l.room(now)
		if on == nil {
			break
		}
		l.bidFor(s, on, now)
		sent++
	}
	if sent > 0 {
		l.tell(Event{Type: BidsSent, Count: sent})
	}
	if behind {
		l.bidPause = now.Add(behindPause)
	}
}

// asking is what is remembered of a bid until it is answered: the watch may bring the claim before the answer does.
type asking struct {
	how string
	gap gap
}

func (l *Loop) bidFor(s *slot, on *lease, now Instant) {
	key := s.key
	a := asking{how: ChangeNew}
	if s.claim != 0 {
		a = asking{how: ChangeTakeover, gap: gap{from: l.view.unheldSince(s)}}
	}
	l.asking[key] = a
	s.asked = true
	l.post(request{
		op: Op{
			If: []Guard{{ClaimPath(key), 0}}, Path: ClaimPath(key), Value: l.claimValue, Lease: on.id,
		},
		on: on,
		then: func(res Result, ans Answer, err error) {
			delete(l.asking, key)
			answered := l.cfg.Clock()
			l.view.bidAnswered(s, answered.Sub(now), ans.Rev)
			switch {
			case err != nil:
				// Unknown, or refused: the watch shows which. What it shows on our lease is adopted.
				l.bidPause = answered.Add(retryPause)
			case !res.Done:
				l.tell(Event{Type: BidLost, Key: key})
			default:
				l.tell(Event{Type: BidWon, Key: key, Epoch: ans.Rev})
			}
			if h := l.holds[key]; h != nil {
				l.touch(h)
			}
		},
	})
}

// readsOf names what a new holder reads: the spec, and the trouble that the last holder had with it.
func readsOf(key Key) []string { return []string{ResourcePath(key), StatusPath(key)} }

// read fetches what a new holder reads. It is not done with the claim: what a request reads that writes, every member of the
// store reads, one after the other; what only reads costs one of them, beside all else.
func (l *Loop) read(h *hold) {
	h.busy = true
	l.post(request{
		op: Op{Read: readsOf(h.key)},
		then: func(res Result, _ Answer, err error) {
			h.busy = false
			if err != nil {
				l.pause(h)
				return
			}
			l.learn(h, res.Read)
			if h.specRev == 0 {
				l.pause(h) // it was removed, and the watch is to tell of that
			}
		},
	})
}

// learn takes in what readsOf named.
func (l *Loop) learn(h *hold, records []Record) {
	for _, rec := range records { // in the order of readsOf
		switch {
		case rec.Path == StatusPath(h.key):
			h.recall(rec, l.cfg.Clock())
			if h.trouble.retryAt != 0 {
				l.later(h, h.trouble.retryAt) // nothing else would have it looked at then
			}
		case !rec.Deleted:
			l.offer(h, rec.Value, rec.Rev)
		}
	}
	l.touch(h)
}

// readGood looks for the last good spec that an earlier holder kept, since the newest is invalid.
func (l *Loop) readGood(h *hold) {
	h.busy = true
	l.post(request{
		op: Op{Read: []string{StatePath(h.key, lastGood)}},
		then: func(res Result, _ Answer, err error) {
			h.busy = false
			if err != nil {
				l.pause(h)
				return
			}
			h.searched = true
			if rec := res.Read[0]; !rec.Deleted {
				h.note.kept = true
				if h.spec == nil && h.blocked() && l.check(h.key, rec.Value) == nil {
					h.spec, h.specRev = rec.Value, 1 // older than the one refused
				}
			}
			l.touch(h)
		},
	})
}

// rewrite puts the claim on a lease of this node again, under a new epoch: the present one is spent. It also makes
// any request about the present epoch fail that is still on its way.
func (l *Loop) rewrite(h *hold) {
	now := l.cfg.Clock()
	l.provide(1, now)
	on := l.room(now)
	if on == nil {
		l.pause(h)
		return
	}
	h.busy = true
	value := claimText(ClaimValue{Node: l.cfg.Self.ID, Origin: h.origin})
	l.post(request{
		op: Op{
			If: []Guard{{ClaimPath(h.key), h.epoch}}, Path: ClaimPath(h.key), Value: value, Lease: on.id,
		},
		on:   on,
		then: func(_ Result, _ Answer, err error) { l.resume(h, err) },
	})
}

// release gives a claim back that nobody is to run: the resource was removed or paused, or can't run here.
func (l *Loop) release(h *hold, why error) {
	if !l.clearNote(h) {
		return // what is noted would outlive the claim; the answer settles the hold again
	}
	h.busy = true
	h.spent = max(h.spent, h.epoch)
	l.post(request{
		op: Op{If: []Guard{{ClaimPath(h.key), h.epoch}}, Path: ClaimPath(h.key), Delete: true},
		then: func(res Result, _ Answer, err error) {
			if res.Done {
				l.tell(Event{Type: Released, Key: h.key, Reason: why.Error()})
			}
			l.resume(h, err)
		},
	})
}

// resume lets settle look at a hold again after a request about it was answered.
func (l *Loop) resume(h *hold, err error) {
	h.busy = false
	if err != nil {
		l.pause(h)
		return
	}
	l.touch(h)
}

// pause has a hold looked at again after a while.
func (l *Loop) pause(h *hold) {
	h.pauseTo = l.cfg.Clock().Add(retryPause)
	l.later(h, h.pauseTo)
}

// later has a hold looked at again at a time.
func (l *Loop) later(h *hold, at Instant) { l.alarms.add(alarm{at, h}) }

// claimText is the value of this node's claims.
func claimText(v ClaimValue) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("encode claim value"), err)) // strings and a time always encode
	}
	return text
}
