package natslog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/test/natstest"
)

const soon = 20 * time.Second

// rig is a server with a stream ORDERS of the subjects orders.>, and who reads it.
type rig struct {
	*natstest.Server
	t  *testing.T
	js jetstream.JetStream
	// given is how far each reader has come.
	given map[*Stream]int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := newRigOn(t, natstest.Start(t))
	natstest.Stream(t, r.js, "ORDERS", "orders.>")
	return r
}

func newRigOn(t *testing.T, srv *natstest.Server) *rig {
	return &rig{Server: srv, t: t, js: srv.JetStream(t), given: map[*Stream]int64{}}
}

// open returns a reader as a node has it, with more fields of its spec.
func (r *rig) open(fields string) *Stream {
	r.t.Helper()
	spec := &Spec{}
	raw := fmt.Sprintf(`{"type": "jetstream", "url": %q, "stream": "ORDERS"%s}`, r.URL, fields)
	if err := resources.Decode([]byte(raw), spec); err != nil {
		r.t.Fatal(err)
	}
	if err := spec.Check(); err != nil {
		r.t.Fatal(err)
	}
	conns := natsconn.New(natsconn.Options{Guard: &resources.Guard{AllowLoopback: true}})
	s := Open(spec, Options{Conns: conns, Consumer: "drm-webhook-shop", Room: 1000, AckWait: time.Second})
	r.t.Cleanup(s.Close)
	return s
}

// publish publishes so many messages, with the ids from to to-1.
func (r *rig) publish(subject string, from, to int) {
	r.t.Helper()
	for i := from; i < to; i++ {
		if _, err := r.js.Publish(r.t.Context(), subject, []byte(`{"n":1}`), jetstream.WithMsgID(fmt.Sprint("e", i)), jetstream.WithRetryAttempts(100)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// next reads so many events that are new, whatever goes wrong in between, and returns their ids.
func (r *rig) next(s *Stream, n int) (ids []string, es []events.Event) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	for len(ids) < n {
		got, err := s.Next(ctx, n-len(ids))
		if err != nil {
			if ctx.Err() != nil {
				r.t.Fatalf("after %v nothing comes: %v", ids, err)
			}
			r.t.Logf("in between: %v", err)
			if resources.Wait(ctx, 20*time.Millisecond) != nil {
				r.t.Fatalf("after %v: %v", ids, err)
			}
			continue
		}
		for _, e := range got {
			if e.At.Rev <= r.given[s] {
				continue // it was not acknowledged
			}
			r.given[s] = e.At.Rev
			ids, es = append(ids, e.ID), append(es, e)
		}
	}
	return ids, es
}

// wants reads events until the next ones are these.
func (r *rig) wants(s *Stream, from, to int) []events.Event {
	r.t.Helper()
	ids, es := r.next(s, to-from)
	for i, id := range ids {
		if id != fmt.Sprint("e", from+i) {
			r.t.Fatalf("read %v; want e%d to e%d", ids, from, to-1)
		}
	}
	return es
}

// consumer is what the server has on record of the consumer.
func (r *rig) consumer() *jetstream.ConsumerInfo {
	r.t.Helper()
	c, err := r.js.Consumer(r.t.Context(), "ORDERS", "drm-webhook-shop")
	if err != nil {
		r.t.Fatal(err)
	}
	return c.CachedInfo()
}

// acked waits until the consumer has nothing that is not acknowledged, while s is read.
func (r *rig) acked(s *Stream) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	for r.consumer().NumAckPending > 0 {
		step, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		es, _ := s.Next(step, 100)
		cancel()
		s.Settled(refs(es))
		if ctx.Err() != nil {
			r.t.Fatalf("%d events are not acknowledged", r.consumer().NumAckPending)
		}
	}
}

func refs(es []events.Event) (refs []string) {
	for _, e := range es {
		refs = append(refs, e.Ref())
	}
	return refs
}
