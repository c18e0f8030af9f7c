package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drm-cluster/drm/cluster"
	"github.com/drm-cluster/drm/events"
	"github.com/drm-cluster/drm/lease"
	"github.com/drm-cluster/drm/resources"
	"github.com/drm-cluster/drm/resources/natsconn"
	"github.com/drm-cluster/drm/resources/post"
	"github.com/drm-cluster/drm/state"
	"github.com/drm-cluster/drm/test/etcdtest"
)

// stand is a node's share in holding webhooks: a real etcd, the log and the book, and what the webhook told.
type stand struct {
	t      testing.TB
	ctx    context.Context
	store  *lease.Store
	runner *Runner
	told   chan cluster.Condition
	lags   chan time.Duration
}

func newStand(t testing.TB) *stand {
	t.Helper()
	store, err := lease.Open(lease.Config{Endpoints: etcdtest.Start(t).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	s := &stand{t: t, ctx: ctx, store: store, told: make(chan cluster.Condition, 1000), lags: make(chan time.Duration, 1000)}
	log, book, clients := events.Open(store, events.Options{}), state.Open(store, state.Options{}), post.NewClients(&resources.Guard{AllowLoopback: true})
	t.Cleanup(clients.Close)
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	batches := make(chan cluster.Batch)
	running.Go(func() { defer close(batches); _ = store.Follow(ctx, batches) })
	<-batches
	running.Go(func() {
		for range batches {
		}
	})
	running.Go(func() { _ = log.Run(ctx) })
	running.Go(func() { _ = book.Run(ctx) })
	nats := natsconn.New(natsconn.Options{Guard: &resources.Guard{AllowLoopback: true}})
	s.runner = New(Options{Log: log, Book: book, Clients: clients, NATS: nats, Meter: resources.Meter{Lags: func(d time.Duration) { s.lags <- d }}})
	return s
}

func (s *stand) commit(ops ...cluster.Op) int64 {
	s.t.Helper()
	answer, err := s.store.Commit(s.ctx, ops)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.Rev
}

// hold runs a webhook to a receiver until the test ends.
func (s *stand) hold(r *receiver, more string, past *cluster.Condition) {
	s.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), ":")
	spec := fmt.Sprintf(`{"url": %q, "topics": ["t"], "start": "oldest", "network": {"allow_http": true, "ports": [%s]}%s}`, r.URL, port, more)
	k := cluster.Key{Kind: Kind, ID: "w"}
	epoch := s.commit(cluster.Op{Path: cluster.ResourcePath(k), Value: []byte(spec)}, cluster.Op{Path: cluster.ClaimPath(k), Value: []byte("{}")})
	ctx, cancel := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		err := s.runner.Run(ctx, cluster.Claim{
			Key: k, Spec: []byte(spec), Epoch: epoch, Held: s.ctx, Past: past, Report: func(c cluster.Condition) { s.told <- c },
		})
		if !errors.Is(err, context.Canceled) {
			s.t.Errorf("run: %v", err)
		}
	})
	s.t.Cleanup(func() { cancel(); running.Wait() })
}

// tells returns what the webhook tells of a state, once it does.
func (s *stand) tells(state string) cluster.Condition {
	s.t.Helper()
	for {
		select {
		case c := <-s.told:
			if c.State == state {
				return c
			}
		case <-s.ctx.Done():
			s.t.Fatalf("it does not tell of %s", state)
		}
	}
}

// publish puts events, one to a revision, and returns the last one's.
func (s *stand) publish(from, to int) (last int64) {
	for i := from; i < to; i++ {
		last = s.commit(cluster.Op{Path: fmt.Sprintf("topics/t/e%d", i), Value: []byte(`{"time":"2020-01-01T00:00:00Z","data":1}`)})
	}
	return last
}

// A webhook says that events went before it came to them, until it has delivered the next, also when another holds it meanwhile. Seen to
// fail with take, with Run and with end leaving missed as it is.
func TestMissedEventsAreToldUntilTheNextIsDelivered(t *testing.T) {
	s := newStand(t)
	free := make(chan struct{})
	r := receive(t, func(http.ResponseWriter, *http.Request) { <-free })
	s.hold(r, `, "concurrency": 1`, &cluster.Condition{State: stateMissed, Err: errTest})
	if c := s.tells(stateMissed); !errors.Is(c.Err, errTest) {
		t.Errorf("told %v; want what the holder before told", c.Err)
	}
	s.publish(0, 20)
	for i := 10; i < 15; i++ {
		s.commit(cluster.Op{Path: fmt.Sprintf("topics/t/e%d", i), Delete: true})
	}
	last := s.publish(20, 21)
	if _, err := s.runner.log.Get(s.ctx, events.Event{Topic: "t", ID: "e20", At: events.Position{Rev: last}}.Ref()); err != nil {
		t.Fatal(err) // from here on the log knows what was deleted
	}
	free <- struct{}{}
	s.tells(stateReady)
	close(free)
	if c := s.tells(stateMissed); !strings.Contains(c.Err.Error(), "/t/e10 to ") {
		t.Errorf("told %v; want what was missed", c.Err)
	}
	s.tells(stateReady)
}

// Seen to fail with the lag of events alone that were not read again.
func TestTheLagOfWhatIsSentAgainCounts(t *testing.T) {
	s := newStand(t)
	var again atomic.Bool
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		if !again.Swap(true) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s.hold(r, `, "retry": {"schedule": ["100ms"]}`, nil)
	s.publish(0, 1)
	select {
	case lag := <-s.lags:
		if lag < time.Since(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))-time.Minute {
			t.Errorf("the lag is %v", lag)
		}
	case <-s.ctx.Done():
		t.Error("no lag is told")
	}
}
