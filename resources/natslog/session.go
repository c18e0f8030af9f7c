package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
)

// What a consumer is told of a message.
var (
	ack        = []byte("+ACK")
	inProgress = []byte("+WPI")
)

// session is one connection's worth of reading.
type session struct {
	nc        *nats.Conn
	lost      chan nats.Status // gets one when the connection is
	consumer  jetstream.Consumer
	delivered uint64 // the number of the last delivery that we know of
	batch     jetstream.MessageBatch
	give      context.CancelFunc // gives the batch up
}

// look connects and looks at the stream.
func (s *Stream) look(ctx context.Context) (*nats.Conn, jetstream.Stream, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	nc, err := s.conn.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.Stream(ctx, s.spec.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil, fmt.Errorf("read stream %s: there is none of that name; create it (nats stream add), or mend source.stream", s.spec.Stream)
	case err != nil:
		return nil, nil, fmt.Errorf("look at stream %s: %w", s.spec.Stream, late(ctx, err))
	}
	return nc, stream, nil
}

// open finds out where the stream and its consumer stand.
func (s *Stream) open(ctx context.Context) error {
	nc, stream, err := s.look(ctx)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	before := s.created
	if s.created = info.Created; !before.IsZero() && !before.Equal(info.Created) || info.State.LastSeq < s.last {
		return fmt.Errorf("stream %s was made anew, and what came after message %d of the old one is lost: %w", s.spec.Stream, s.last, events.ErrAnother)
	}
	c, err := s.consume(ctx, stream)
	if err != nil {
		return err
	}
	at := c.CachedInfo().Delivered
	known := s.last
	if len(s.spec.Subjects) > 0 {
		known = max(known, at.Stream) // up to there it has told ours from the others
	}
	if first := info.State.FirstSeq; s.last > 0 && first > known+1 {
		s.miss(known+1, first-1)
		s.last = first - 1
	}
	s.through = max(s.last, at.Stream)
	s.session = &session{nc: nc, lost: nc.StatusChanged(nats.CLOSED), consumer: c, delivered: at.Consumer}
	s.mu.Lock()
	s.nc = nc
	s.mu.Unlock()
	if nc.IsClosed() {
		return nats.ErrConnectionClosed
	}
	return nil
}

// consume returns the durable consumer, and makes it if there is none.
func (s *Stream) consume(ctx context.Context, stream jetstream.Stream) (jetstream.Consumer, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	c, err := stream.Consumer(ctx, s.consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		want := jetstream.ConsumerConfig{
			Durable: s.consumer, Description: "made by drm", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.last + 1,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.ackWait, MaxAckPending: s.room, MaxDeliver: -1, FilterSubjects: s.spec.Subjects,
		}
		if stream.CachedInfo().Config.Retention == jetstream.WorkQueuePolicy {
			want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverAllPolicy, 0 // the only one that a work queue allows
		}
		c, err = stream.CreateConsumer(ctx, want)
	case err == nil:
		have := c.CachedInfo().Config
		if have.AckPolicy != jetstream.AckExplicitPolicy {
			return nil, fmt.Errorf("use consumer %s of stream %s: it does not ask for acks (ack policy explicit); delete it, or name another in source.consumer",
				s.consumer, s.spec.Stream)
		}
		if have.AckWait != s.ackWait || have.MaxAckPending != s.room || !slices.Equal(filters(have), s.spec.Subjects) {
			have.AckWait, have.MaxAckPending, have.FilterSubject, have.FilterSubjects = s.ackWait, s.room, "", s.spec.Subjects
			c, err = stream.UpdateConsumer(ctx, have)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("use consumer %s of stream %s: %w", s.consumer, s.spec.Stream, late(ctx, err))
	}
	return c, nil
}

// filters are the subjects that a consumer is about.
func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// receive waits for what the consumer delivers.
func (s *Stream) receive(ctx context.Context, most int) error {
	now := s.session
	if now.batch == nil {
		pull, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullFor)
		batch, err := now.consumer.Fetch(most, jetstream.FetchContext(pull), jetstream.FetchHeartbeat(heartbeat))
		if err != nil {
			cancel()
			return fmt.Errorf("receive from stream %s: %w", s.spec.Stream, err)
		}
		now.batch, now.give = batch, cancel
	}
	tick := time.NewTimer(s.ackWait / 3)
	defer tick.Stop()
	select {
	case m, ok := <-now.batch.Messages():
		if !ok {
			return s.pulled()
		}
		s.came = append(s.came, m)
	case <-tick.C:
		s.tend()
	case <-now.lost:
		return fmt.Errorf("receive from stream %s: %w", s.spec.Stream, nats.ErrConnectionClosed)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		select {
		case m, ok := <-now.batch.Messages():
			if !ok {
				return nil
			}
			s.came = append(s.came, m)
		default:
			return nil
		}
	}
}

// pulled ends a pull that has got all that it asked for, or nothing for a while.
func (s *Stream) pulled() error {
	err := s.session.batch.Error()
	s.session.give()
	s.session.batch = nil
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		return nil
	}
	return fmt.Errorf("receive from stream %s: %w", s.spec.Stream, err)
}

// drop ends the session. What came and was not looked at is read by sequence in the next.
func (s *Stream) drop() {
	if s.session == nil {
		return
	}
	if s.session.batch != nil {
		s.session.give()
		for range s.session.batch.Messages() {
			// The client has ended the pull when it closes the channel.
		}
	}
	s.session.nc.RemoveStatusListener(s.session.lost)
	s.session, s.came = nil, nil
}

// tend tells the consumer of what is not settled that it is in progress. It has no need of that while nobody pulls: it delivers nothing
// then.
func (s *Stream) tend() {
	s.tended = time.Now()
	s.mu.Lock()
	nc, replies := s.nc, make([]string, 0, len(s.unacked))
	for _, reply := range s.unacked {
		replies = append(replies, reply)
	}
	s.mu.Unlock()
	tell(nc, replies, inProgress)
}

// Settled acknowledges events by their refs. It doesn't wait for an answer: an ack that is lost is asked for again.
func (s *Stream) Settled(refs []string) {
	var replies []string
	s.mu.Lock()
	nc := s.nc
	for _, ref := range refs {
		if _, _, at, err := events.ParseRef(ref); err == nil {
			if reply, ok := s.unacked[uint64(at.Rev)]; ok {
				delete(s.unacked, uint64(at.Rev))
				replies = append(replies, reply)
			}
		}
	}
	s.mu.Unlock()
	tell(nc, replies, ack)
}

// tell says something of messages. What can't be said is asked for again.
func tell(nc *nats.Conn, replies []string, what []byte) {
	for _, reply := range replies {
		if nc.Publish(reply, what) != nil {
			return
		}
	}
}

// late puts the cause in the place of an error that says no more than that a deadline has passed.
func late(ctx context.Context, err error) error {
	if cause := resources.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
