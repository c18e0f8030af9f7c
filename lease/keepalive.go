package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drm-cluster/drm/cluster"
)

// errAbandoned ends a stream that was silent for too long.
var errAbandoned = errors.New("the keepalive stream was silent for too long")

// patience is how long a round waits for one member before it asks the next one too.
func (s *Store) patience() time.Duration {
	return min(150*time.Millisecond, s.shortest()/10)
}

// giveUp is how long a stream may be silent before it is replaced. An election takes about this long, and a
// follower that forwards to a leader which is frozen doesn't notice that there is a new one.
func (s *Store) giveUp() time.Duration {
	return min(time.Second, s.shortest()/8)
}

func (s *Store) shortest() time.Duration {
	if ttl := time.Duration(s.minTTL.Load()); ttl > 0 {
		return ttl
	}
	return 8 * time.Second
}

// Renew renews leases once. See cluster.Store.
func (s *Store) Renew(ctx context.Context, ids []cluster.LeaseID, ack func(cluster.Ack)) (err error) {
	if len(ids) == 0 {
		return nil
	}
	began := time.Now()
	defer func() { s.cfg.Observe("renew", time.Since(began), err) }()
	ctx, cancel := s.joined(ctx)
	defer cancel()
	r := newRound(ids)
	for {
		s.ask(ctx, r, ack)
		if len(r.left) == 0 {
			return nil
		}
		// So as not to spin when every member fails at once.
		_ = pause(ctx, roundPause(0, 1))
		if ctx.Err() != nil {
			return s.explain(fmt.Sprintf("renew %d of %d leases", len(r.left), len(ids)), unanswered(ctx, r.last()))
		}
	}
}

// ask sends what is left of a round to one member after the other, each time that no answer came for as long as
// patience, and gives up on the streams that have not answered in time.
func (s *Store) ask(ctx context.Context, r *round, ack func(cluster.Ack)) {
	whole, cancel := context.WithTimeout(ctx, s.giveUp())
	defer cancel()
	var used []*stream
	defer func() {
		for _, st := range used {
			if len(r.left) > 0 || st.behind(Boottime()) > s.giveUp() {
				st.fail(errAbandoned)
			}
		}
	}()
	for _, st := range s.lineUp() {
		ids := r.remaining()
		if !st.request(r, ids) {
			continue
		}
		used = append(used, st)
		step, cancel := context.WithTimeout(whole, s.patience())
		s.gather(step, r, st, ack)
		cancel()
		if len(r.left) == 0 || ctx.Err() != nil {
			return
		}
	}
	for _, st := range used {
		s.gather(whole, r, st, ack)
	}
}

// lineUp returns a stream to each member: first to the one that answered last, and those that owe an answer for
// long after the others. One that owes it for too long, or has ended, is replaced.
func (s *Store) lineUp() []*stream {
	now := Boottime()
	start := int(s.best.Load())
	var prompt, late []*stream
	for i := range s.members {
		m := s.members[(start+i)%len(s.members)]
		st := s.streamOf(m, now)
		if st.behind(now) > s.patience() {
			late = append(late, st)
		} else {
			prompt = append(prompt, st)
		}
	}
	return append(prompt, late...)
}

func (s *Store) streamOf(m *member, now cluster.Instant) *stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stream != nil && m.stream.behind(now) > s.giveUp() {
		m.stream.fail(errAbandoned)
	}
	if m.stream == nil || m.stream.over() {
		m.stream = s.openStream(m)
	}
	return m.stream
}

// gather passes answers on until the round is complete, the stream last asked has failed, or ctx ends.
func (s *Store) gather(ctx context.Context, r *round, st *stream, ack func(cluster.Ack)) {
	for {
		acks, from := r.take()
		for _, a := range acks {
			if !r.left[a.Lease] {
				continue
			}
			delete(r.left, a.Lease)
			if a.TTL > 0 {
				s.learn(int64(a.TTL / time.Second))
			}
			ack(a)
		}
		if from != nil {
			s.best.Store(int32(from.index))
		}
		if len(r.left) == 0 || st.over() {
			return
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// round is one Renew. order and left belong to the goroutine that called Renew, the rest is shared with streams.
type round struct {
	order []cluster.LeaseID
	left  map[cluster.LeaseID]bool // not answered yet

	wake chan struct{}
	mu   sync.Mutex
	acks []cluster.Ack
	from *member // who answered last
	err  error   // of the stream that failed last
}

func newRound(ids []cluster.LeaseID) *round {
	r := &round{order: slices.Clone(ids), left: make(map[cluster.LeaseID]bool, len(ids)), wake: make(chan struct{}, 1)}
	for _, id := range ids {
		r.left[id] = true
	}
	return r
}

// remaining returns what is left, in the order in which to send it: what was first before comes last now,
// because it may be what holds up a stream.
func (r *round) remaining() []cluster.LeaseID {
	r.order = slices.DeleteFunc(r.order, func(id cluster.LeaseID) bool { return !r.left[id] })
	ids := slices.Clone(r.order)
	r.order = append(r.order[1:], r.order[0])
	return ids
}

func (r *round) take() ([]cluster.Ack, *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	acks, from := r.acks, r.from
	r.acks, r.from = nil, nil
	return acks, from
}

func (r *round) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *round) answered(from *member, a cluster.Ack) {
	r.mu.Lock()
	r.acks, r.from = append(r.acks, a), from
	r.mu.Unlock()
	r.signal()
}

func (r *round) failed(err error) {
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	r.signal()
}

func (r *round) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
