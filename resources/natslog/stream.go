// Package natslog reads a stream of NATS JetStream as the log of one resource's events.
//
//	publisher ──▶ stream ──▶ durable consumer ──pull──▶ Stream.Next ──▶ who delivers them
//	                │              ▲                                        │
//	                │              └── ack, once the outcome is on record ──┘ Stream.Settled
//	                └── by sequence: what was delivered before, and to nobody we know of
//
// # What it promises
//
//   - After a position come the events of the subjects, each once, in the order of the stream. The position is the reader's and lies
//     elsewhere. The consumer doesn't decide what comes next: what it has delivered to an earlier holder, or to one that nobody
//     knows to have gone, is not waited for until its ack is late, but read from the stream by its sequence.
//   - An event is acknowledged when Settled names it, and not before. Until then the consumer is told that it is in progress. An ack may be
//     lost; then the event comes again, is known to be settled, and is acknowledged again. So a stream that keeps its messages
//     for consumers keeps what is not settled.
//   - What was deleted from the stream before it was read is told as a gap, and a stream that was made anew as another log.
//   - A consumer that was deleted is made again, after the position.
//   - Reads are answered by the stream's leader: a replica that is behind would take for gone what it has not seen yet.
package natslog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
)

const (
	// answerWithin is how long the server may take for one answer, a connection included.
	answerWithin = 5 * time.Second
	// ackWait is how long the server waits for an ack, or a sign of progress, before it delivers again.
	ackWait = 2 * time.Minute
	// One pull asks for this long, and is given up when nothing at all is heard for twice this heartbeat.
	pullFor, heartbeat = 2 * time.Minute, 30 * time.Second
)

// Options say how a stream is read.
type Options struct {
	Conns    *natsconn.Conns // required
	Consumer string          // the durable consumer, if the spec doesn't name it; required
	// Room is how many events the reader may have that are not settled. The reader bounds them itself, well below.
	Room    int
	AckWait time.Duration // default: 2 minutes
}

// Stream is a stream as the log of one resource. Of Origin, Seek and Next one may be called at a time, and the others at any time
// before Close.
type Stream struct {
	spec     *Spec
	consumer string
	room     int
	ackWait  time.Duration
	conn     *natsconn.Conn

	last    uint64 // read up to here
	through uint64 // up to here it is read by sequence
	created time.Time
	session *session          // nil: there is none
	came    []jetstream.Msg   // and is not looked at yet
	read    []events.Event    // and is not given yet
	gap     *events.GapError  // not told yet
	tended  time.Time         // when the consumer was told what is in progress
	mu      sync.Mutex        // guards what follows
	unacked map[uint64]string // by sequence: where to send the ack
	nc      *nats.Conn        // the connection of the session, or of the last
}

// Open returns the stream of a spec that has passed Check. It connects in the background.
func Open(spec *Spec, o Options) *Stream {
	s := &Stream{
		spec: spec, consumer: o.Consumer, room: o.Room, ackWait: o.AckWait, conn: o.Conns.Open(spec.Target), unacked: map[uint64]string{},
	}
	if spec.Consumer != "" {
		s.consumer = spec.Consumer
	}
	if s.ackWait == 0 {
		s.ackWait = ackWait
	}
	return s
}

// Origin returns the position after all that is in the stream now.
func (s *Stream) Origin(ctx context.Context) (events.Position, error) {
	_, stream, err := s.look(ctx)
	if err != nil {
		return events.Position{}, err
	}
	info := stream.CachedInfo()
	if info.Config.Retention == jetstream.WorkQueuePolicy {
		return events.Position{}, fmt.Errorf(`begin to read stream %s: it is a work queue, which has nothing but what is to be done; set start to "oldest"`, s.spec.Stream)
	}
	return events.Position{Rev: int64(info.State.LastSeq)}, nil
}

// Seek has the stream read on after a position; the zero Position is before all that is there.
func (s *Stream) Seek(after events.Position) {
	s.drop()
	s.last, s.read, s.gap = uint64(after.Rev), nil, nil
}

// Next returns the next events in the order of the stream, at least one and at most so many, and blocks until there is one. It may give
// events again that were not settled. An error that is events.ErrGap or events.ErrAnother is told once; after any other it may be
// called again, and begins with connecting.
func (s *Stream) Next(ctx context.Context, most int) ([]events.Event, error) {
	for {
		if gap := s.gap; gap != nil {
			s.gap = nil
			return nil, gap
		}
		if n := min(most, len(s.read)); n > 0 {
			given := s.read[:n:n]
			s.read = s.read[n:]
			return given, nil
		}
		if err := s.more(ctx, most); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			s.drop()
			return nil, err
		}
	}
}

// more takes one step towards having something to give.
func (s *Stream) more(ctx context.Context, most int) error {
	if time.Since(s.tended) > s.ackWait/3 {
		s.tend()
	}
	switch {
	case s.session == nil:
		return s.open(ctx)
	case s.last < s.through:
		return s.catchUp(ctx, most)
	case len(s.came) > 0:
		return s.sift()
	}
	return s.receive(ctx, most)
}

// catchUp reads by sequence what was delivered to somebody else.
func (s *Stream) catchUp(ctx context.Context, most int) error {
	ctx, cancel := within(ctx)
	defer cancel()
	for range most {
		m, err := s.following(ctx, s.session.nc, s.last+1)
		if err != nil {
			return err
		}
		if m == nil || m.Seq > s.through {
			s.last = s.through
			return nil
		}
		s.pass(m.Seq)
		s.read = append(s.read, s.event(m))
		if s.last >= s.through {
			return nil
		}
	}
	return nil
}

// sift looks at what the consumer has delivered. Its deliveries are numbered: where one is missing, somebody else was given it.
func (s *Stream) sift() error {
	for len(s.came) > 0 {
		m := s.came[0]
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read from stream %s: %w", s.spec.Stream, err)
		}
		seq := meta.Sequence.Stream
		if missing := meta.Sequence.Consumer != s.session.delivered+1; missing && seq > s.last+1 {
			s.session.delivered = meta.Sequence.Consumer - 1
			s.through = seq - 1
			return nil
		}
		s.came, s.session.delivered = s.came[1:], meta.Sequence.Consumer
		s.mu.Lock()
		s.unacked[seq] = m.Reply()
		s.mu.Unlock()
		if seq > s.last {
			s.pass(seq)
		}
		s.read = append(s.read, s.event(&message{Subject: m.Subject(), Seq: seq, header: m.Headers(), Data: m.Data(), Time: meta.Timestamp}))
	}
	return nil
}

// pass goes on to a message, and notes what is missing before it. With subjects nobody can tell: it may have been of others.
func (s *Stream) pass(seq uint64) {
	if s.last > 0 && seq > s.last+1 && len(s.spec.Subjects) == 0 {
		s.miss(s.last+1, seq-1)
	}
	s.last = seq
}

func (s *Stream) miss(from, to uint64) {
	if s.gap == nil {
		s.gap = &events.GapError{From: events.Position{Rev: int64(from)}}
	}
	s.gap.To = events.Position{Rev: int64(to)}
}

// Close gives the connection up, after what was acknowledged has been sent.
func (s *Stream) Close() {
	s.drop()
	if s.nc != nil {
		_ = s.nc.FlushTimeout(time.Second) // what is lost of it comes again, to the next who reads, and is acknowledged then
	}
	s.conn.Close()
}

// within bounds what one answer may take.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return resources.WithTimeout(ctx, answerWithin, fmt.Errorf("no answer within %s", answerWithin))
}
