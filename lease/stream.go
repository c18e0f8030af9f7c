package lease

import (
	"context"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/drm-cluster/drm/cluster"
)

// stream is one LeaseKeepAlive stream to one member. etcd answers a stream strictly in order, so the k-th answer
// for a lease answers the k-th request for that lease on that stream, and no other. A request for a lease that has
// expired is answered only when its revoke is done, and holds up everything behind it; so does a member that is
// frozen. Such a stream is abandoned, and what it might still say is never heard.
type stream struct {
	from   *member
	cancel context.CancelFunc

	mu    sync.Mutex
	queue []request // to be sent; the sender takes all of it
	wake  chan struct{}
	sent  map[cluster.LeaseID][]request // sent and unanswered, oldest first
	err   error                         // why the stream is over; nil while it lives
}

// request is one renewal of one lease.
type request struct {
	lease  cluster.LeaseID
	round  *round
	sentAt cluster.Instant // taken before it was sent; before that, when it was queued
}

// openStream starts a stream; it connects and logs in by itself.
func (s *Store) openStream(m *member) *stream {
	ctx, cancel := context.WithCancel(s.ctx)
	st := &stream{from: m, cancel: cancel, wake: make(chan struct{}, 1), sent: map[cluster.LeaseID][]request{}}
	s.streams.Go(func() {
		// A login that is under way goes on when the stream is abandoned: the next one needs it too.
		limited, cancel := context.WithTimeout(s.ctx, s.cfg.DialTimeout)
		token, err := m.login.token(limited)
		cancel()
		if err == nil {
			err = st.run(ctx, token)
		}
		st.fail(err)
	})
	return st
}

// run sends what is queued until the stream ends, and joins the receiver.
func (st *stream) run(ctx context.Context, token string) error {
	// Without the demand for a leader, which would end the stream in every election.
	remote, err := pb.NewLeaseClient(st.from.keepalives).LeaseKeepAlive(withToken(ctx, token))
	if err != nil {
		return rpctypes.Error(err)
	}
	var receiver sync.WaitGroup
	defer receiver.Wait()
	defer st.cancel()
	receiver.Go(func() {
		err := st.receive(remote)
		if tokenRefused(err) {
			st.from.login.drop(token)
		}
		st.fail(err)
	})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-st.wake:
		}
		for {
			r, ok := st.next()
			if !ok {
				break
			}
			if err := remote.Send(&pb.LeaseKeepAliveRequest{ID: int64(r)}); err != nil {
				// The reason is what the receiver gets.
				return nil
			}
		}
	}
}

// next takes a request from the queue and counts it as sent, as of now.
func (st *stream) next() (cluster.LeaseID, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.queue) == 0 {
		return 0, false
	}
	r := st.queue[0]
	st.queue = st.queue[1:]
	r.sentAt = Boottime()
	st.sent[r.lease] = append(st.sent[r.lease], r)
	return r.lease, true
}

func (st *stream) receive(remote pb.Lease_LeaseKeepAliveClient) error {
	for {
		answer, err := remote.Recv()
		if err != nil {
			return rpctypes.Error(err)
		}
		id := cluster.LeaseID(answer.ID)
		st.mu.Lock()
		waiting := st.sent[id]
		if len(waiting) == 0 { // What an abandoned stream still says.
			st.mu.Unlock()
			continue
		}
		r := waiting[0]
		if st.sent[id] = waiting[1:]; len(waiting) == 1 {
			delete(st.sent, id)
		}
		st.mu.Unlock()
		r.round.answered(st.from, cluster.Ack{Lease: id, SentAt: r.sentAt, TTL: time.Duration(answer.TTL) * time.Second})
	}
}

// request queues renewals of a round. It returns false when the stream is over.
func (st *stream) request(r *round, ids []cluster.LeaseID) bool {
	now := Boottime()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.err != nil {
		return false
	}
	for _, id := range ids {
		st.queue = append(st.queue, request{id, r, now})
	}
	select {
	case st.wake <- struct{}{}:
	default:
	}
	return true
}

// behind returns how long the oldest unanswered request has waited, 0 when there is none.
func (st *stream) behind(now cluster.Instant) time.Duration {
	st.mu.Lock()
	defer st.mu.Unlock()
	oldest := now
	if len(st.queue) > 0 {
		oldest = st.queue[0].sentAt
	}
	for _, waiting := range st.sent {
		oldest = min(oldest, waiting[0].sentAt)
	}
	return now.Sub(oldest)
}

// fail ends the stream, for the first reason given, and tells the rounds that wait for it.
func (st *stream) fail(err error) {
	st.cancel()
	st.mu.Lock()
	if err == nil || st.err != nil {
		st.mu.Unlock()
		return
	}
	st.err = err
	rounds := map[*round]bool{}
	for _, r := range st.queue {
		rounds[r.round] = true
	}
	for _, waiting := range st.sent {
		for _, r := range waiting {
			rounds[r.round] = true
		}
	}
	st.queue, st.sent = nil, nil
	st.mu.Unlock()
	for r := range rounds {
		r.failed(err)
	}
}

// over tells whether the stream has ended.
func (st *stream) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.err != nil
}
