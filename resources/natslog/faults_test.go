package natslog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/test/natstest"
)

// refusal returns what Next says first that is not about time.
func refusal(t *testing.T, s *Stream) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	es, err := s.Next(ctx, 1)
	if err == nil || ctx.Err() != nil {
		t.Fatalf("it gives %v, %v", es, err)
	}
	return err
}

// A server that restarts loses nothing and gives nothing twice that was acknowledged. Seen to fail (nothing comes any more) with the
// session kept after an error.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.open("")
	s.Seek(events.Position{})
	r.publish("orders.eu", 0, 3)
	es := r.wants(s, 0, 3)
	s.Settled(refs(es[:2]))
	lost := make(chan error, 1)
	go func() { lost <- refusal(t, s) }()
	r.Stop()
	if err := <-lost; errors.Is(err, events.ErrGap) {
		t.Fatal(err)
	}
	r.Start(t)
	r.publish("orders.eu", 3, 5)
	es = append(es, r.wants(s, 3, 5)...)
	s.Settled(refs(es)) // of the first two the acks may have been lost
	r.acked(s)
}

// A stream that isn't there is told with what to do, and read as soon as it is.
func TestNoStream(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	r := newRigOn(t, srv)
	s := r.open("")
	s.Seek(events.Position{})
	if err := refusal(t, s); !strings.Contains(err.Error(), "create it (nats stream add)") {
		t.Fatal(err)
	}
	natstest.Stream(t, r.js, "ORDERS", "orders.>")
	r.publish("orders.eu", 0, 1)
	r.wants(s, 0, 1)
}

// A stream that is deleted and made anew is another log: that is told, and from its beginning on it is read. Who reads it all the time knows by
// when it was made, and who comes back by a position that lies beyond its end. Seen to fail (nothing comes, or e0 is left out) without
// created, and without the look at the last sequence.
func TestAStreamMadeAnew(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]int{"comes back": 3, "reads all the time": 1} {
		r := newRig(t)
		s := r.open("")
		s.Seek(events.Position{})
		r.publish("orders.eu", 0, read)
		es := r.wants(s, 0, read)
		if err := r.js.DeleteStream(t.Context(), "ORDERS"); err != nil {
			t.Fatal(err)
		}
		natstest.Stream(t, r.js, "ORDERS", "orders.>")
		r.publish("orders.eu", 0, 2)
		if name == "comes back" {
			s.Close()
			s = r.open("")
			s.Seek(es[read-1].At)
		}
		delete(r.given, s)
		var err error
		for !errors.Is(err, events.ErrAnother) {
			if err = refusal(t, s); errors.Is(err, events.ErrGap) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		s.Seek(events.Position{})
		r.wants(s, 0, 2)
		s.Close()
	}
}

// A consumer that is deleted is made again after what was read. Seen to fail (e0 comes again) with OptStartSeq at 1.
func TestConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.open("")
	s.Seek(events.Position{})
	r.publish("orders.eu", 0, 2)
	es := r.wants(s, 0, 2)
	if err := r.js.DeleteConsumer(t.Context(), "ORDERS", "drm-webhook-shop"); err != nil {
		t.Fatal(err)
	}
	s.Settled(refs(es)) // there is nobody to hear it
	r.publish("orders.eu", 2, 4)
	es = r.wants(s, 2, 4)
	s.Settled(refs(es))
	r.acked(s)
	if c := r.consumer(); c.Delivered.Consumer != 2 {
		t.Errorf("the new consumer has delivered %d; 2 are new", c.Delivered.Consumer)
	}
}

// What was deleted from the stream before it was read is told once, whether a reader comes to it, comes back to it, or reads a part of the
// stream's subjects; and what follows comes. Seen to fail with miss doing nothing in pass, and in open.
func TestTrimmed(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{"all": "", "subjects": `, "subjects": ["orders.eu"]`} {
		r := newRig(t)
		r.publish("orders.eu", 0, 1)
		s := r.open(fields)
		s.Seek(events.Position{})
		es := r.wants(s, 0, 1)
		s.Close()
		r.publish("orders.eu", 1, 8)
		stream, err := r.js.Stream(t.Context(), "ORDERS")
		if err == nil {
			config := stream.CachedInfo().Config
			config.MaxMsgs = 3
			stream, err = r.js.UpdateStream(t.Context(), config)
		}
		if err != nil {
			t.Fatal(err)
		}
		s = r.open(fields)
		s.Seek(es[0].At)
		var gap *events.GapError
		if err := refusal(t, s); !errors.As(err, &gap) || gap.From.Rev != 2 || gap.To.Rev != 5 {
			t.Fatalf("%s: %v; want a gap from 2 to 5", name, err)
		}
		r.wants(s, 5, 8)
		if name == "all" {
			r.publish("orders.eu", 8, 10)
			if err := stream.DeleteMsg(t.Context(), 9); err != nil {
				t.Fatal(err)
			}
			r.hole(s)
		}
		s.Close()
	}
}

// hole reads on over message 9, which was deleted: perhaps after it was read.
func (r *rig) hole(s *Stream) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	told := false
	for {
		es, err := s.Next(ctx, 10)
		switch {
		case errors.Is(err, events.ErrGap):
			told = true
		case err != nil:
			r.t.Fatal(err)
		case es[0].ID == "e8":
			told = true
		}
		if n := len(es); n > 0 && es[n-1].ID == "e9" {
			if !told {
				r.t.Error("message 9 was neither read nor missed")
			}
			return
		}
	}
}

// A stream without a majority of its servers is waited for, not given up and not asked at full speed; what its clients were told to be
// stored is read when there is one again. Seen to fail with a server that does not
// answer taken for a log that is another.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	servers := natstest.StartCluster(t, 3)
	r := newRigOn(t, servers[0])
	natstest.Replicated(t, r.js, 3, "ORDERS", "orders.>")
	s := r.open("")
	s.Seek(events.Position{})
	r.publish("orders.eu", 0, 3)
	es := r.wants(s, 0, 3)
	servers[1].Stop()
	servers[2].Stop()
	s.Settled(refs(es))
	other := r.open("")
	other.Seek(es[2].At)
	ctx, cancel := context.WithTimeout(t.Context(), answerWithin+time.Second)
	defer cancel()
	if got, err := other.Next(ctx, 1); err == nil || errors.Is(err, events.ErrGap) || errors.Is(err, events.ErrAnother) {
		t.Fatalf("without a majority it gives %v, %v", got, err)
	}
	other.Close()
	servers[1].Start(t)
	servers[2].Start(t)
	natstest.Elected(t, r.js, "ORDERS")
	r.publish("orders.eu", 3, 5)
	es = append(es, r.wants(s, 3, 5)...)
	s.Settled(refs(es))
	r.acked(s)
}
