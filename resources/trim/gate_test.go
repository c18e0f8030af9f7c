package trim

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
)

// gate returns a gate on a log that is up to date with a revision, and what counts the listings that it asks for.
func (r *rig) gate(most int, rev int64) (g *Gate, asked *atomic.Int32) {
	r.t.Helper()
	asked = new(atomic.Int32)
	store, err := lease.Open(lease.Config{Endpoints: r.e.Endpoints(), Observe: func(op string, _ time.Duration, _ error) {
		if op == "list" {
			asked.Add(1)
		}
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { store.Close() })
	log := events.Open(r.store, events.Options{})
	ctx, cancel := context.WithCancel(r.ctx)
	var running sync.WaitGroup
	r.t.Cleanup(func() { cancel(); running.Wait() })
	batches := make(chan cluster.Batch)
	running.Go(func() { defer close(batches); _ = r.store.Follow(ctx, batches) })
	<-batches
	running.Go(func() {
		for range batches {
		}
	})
	running.Go(func() { _ = log.Run(ctx) })
	g = NewGate(log, store, most, slog.New(slog.DiscardHandler))
	r.until(g, "topic-0", false) // has the log followed
	r.knows(g, rev)
	return g, asked
}

// knows returns once a gate's log is up to date with a revision.
func (r *rig) knows(g *Gate, rev int64) {
	r.t.Helper()
	_, err := g.log.Get(r.ctx, events.Event{Topic: "none", ID: "none", At: events.Position{Rev: rev}}.Ref())
	if !strings.Contains(err.Error(), events.ErrGone.Error()) {
		r.t.Fatal(err)
	}
}

// until returns once a topic is full, or isn't.
func (r *rig) until(g *Gate, topic string, full bool) {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for (g.Full(r.ctx, topic) != nil) != full {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.t.Fatalf("topic %s is not what it should be: full: %v", topic, full)
		}
	}
}

// Seen to fail with Full counting all of a topic, with exceeds taking a topic that nobody reads for full, with look going by what it saw
// first for ever, and with every call asking.
func TestATopicIsFullWhileWebhooksAreBehind(t *testing.T) {
	r := newRig(t)
	r.put("resources/webhook/w", `{"url":"https://a.example","topics":["a"]}`, "resources/webhook/p", `{"url":"https://a.example","topics":["p*"],"start":"oldest","paused":true}`)
	r.publish("unread", 0, 20)
	r.publish("paused", 0, 11)
	r.publish("few", 0, 10)
	passed := r.publish("a", 0, 5)
	r.passed("w", passed, "", "a")
	g, asked := r.gate(10, r.publish("a", 5, 10))
	for range 100 {
		if err := g.Full(r.ctx, "few"); err != nil || asked.Load() != 0 {
			t.Fatalf("of a topic with few events: %v, after %d listings", err, asked.Load())
		}
	}
	for range 100 {
		for _, topic := range []string{"a", "unread"} {
			if err := g.Full(r.ctx, topic); err != nil {
				t.Fatalf("%s: %v", topic, err)
			}
		}
		if err := g.Full(r.ctx, "paused"); err == nil || !strings.Contains(err.Error(), "more than 10 events of topic paused") {
			t.Fatalf("a topic of which a paused webhook needs all: %v", err)
		}
	}
	if n := asked.Load(); n > 2*3 { // two ranges at a time
		t.Errorf("etcd was asked for %d listings in a moment", n)
	}
	last := r.publish("a", 15, 1)
	r.knows(g, last)
	r.until(g, "a", true)
	r.passed("w", last, "", "a")
	r.until(g, "a", false)
}

// A webhook that was put since counts soon, though nothing seemed to be behind. Seen to fail with Full looking no further while the
// readers that it knows are not behind.
func TestANewWebhookIsHeardOf(t *testing.T) {
	r := newRig(t)
	g, _ := r.gate(10, r.publish("a", 0, 11))
	r.until(g, "a", false)
	s := g.seen.Load()
	r.put("resources/webhook/w", `{"url":"https://a.example","topics":["a"],"start":"oldest"}`)
	g.seen.Store(&sight{readers: s.readers, at: s.at.Add(-known)})
	r.until(g, "a", true)
}

// Who can't find out keeps nobody from publishing. Seen to fail with exceeds taking what it doesn't know for full.
func TestATopicTakesMoreWhileNothingIsKnown(t *testing.T) {
	r := newRig(t)
	r.put("resources/webhook/w", `{"url":"https://a.example","topics":["a"],"start":"oldest"}`)
	g, _ := r.gate(10, r.publish("a", 0, 11))
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	if err := g.Full(ctx, "a"); err != nil {
		t.Error(err)
	}
}
